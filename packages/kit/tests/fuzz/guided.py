"""Fuzz one target guided by coverage: `python packages/kit/tests/fuzz/guided.py TARGET SECONDS`; see `make fuzz`.

Needs `atheris`, which is not among the development tools: `uv run --with atheris …`. What makes a target raise is written to the
folder in which it runs, as crash-….
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["eyebright_kit"]):
    from fuzz.seeds import CORPUS
    from fuzz.targets import TARGETS


def main(name: str, seconds: str) -> None:
    arguments = [sys.argv[0], str(CORPUS / name), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=512"]
    atheris.Setup(arguments, TARGETS[name])
    atheris.Fuzz()


main(*sys.argv[1:3])
