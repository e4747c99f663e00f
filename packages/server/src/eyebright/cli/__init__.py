"""The `eyebright` command: one module per verb group, loaded when its verb is called."""

import sys


def main() -> None:
    """What the console script runs."""
    from eyebright.cli.entry import run

    sys.exit(run(sys.argv[1:]))
