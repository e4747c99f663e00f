"""A server of its own, ten callers, and whether all of their trainings were completed: exit code 0 or 1."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.server import ROOT, serving

CALLERS = os.environ.get("CALLERS", "10")


def main() -> int:
    with serving({"EYEBRIGHT_LOCAL__CPU_SLOTS": CALLERS}) as server:
        command = [sys.executable, "-m", "locust", "--headless", "-f", str(Path(__file__).with_name("locustfile.py"))]
        callers = ["-H", server.url, "-u", CALLERS, "-r", CALLERS, "--only-summary"]
        environment = {**os.environ, "EYEBRIGHT_TOKEN": server.token}
        return subprocess.run([*command, *callers], cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
