"""Put `uv` into a folder of the project, with nothing but python3 ≥ 3.11 and a package index: `bootstrap_uv.py FOLDER`."""

import subprocess
import sys
import venv
from pathlib import Path

NEEDED = (3, 11)
UV = "uv>=0.9,<1"


def main(folder: Path) -> int:
    if sys.version_info < NEEDED:
        found = ".".join(map(str, sys.version_info[:3]))
        return refuse(f"python3 is {found}; Eyebright needs 3.11 or newer. Install one and put it first on PATH.")
    print("Fetching uv, which installs everything else …", file=sys.stderr)
    try:
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", UV], check=True)
    except subprocess.CalledProcessError as error:
        if "ensurepip" in str(error.cmd):
            return refuse("this python3 cannot make virtual environments. On Debian: apt-get install python3-venv")
        return refuse("uv could not be fetched from the package index (see above). Is the index reachable?")
    return 0


def refuse(why: str) -> int:
    print(f"error: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
