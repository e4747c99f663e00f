"""Run every test: the workspace's, then those of packages/torch and of each trainer in their own environments; ends with one
line of totals.

Extra arguments go to every pytest. With CI set, a skipped test is a failure: nothing may go untested in silence.
"""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET  # our own pytest wrote it
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Most of the workspace's tests wait for processes; a trainer's keep the cores busy by themselves.
WORKERS = ["-n", "2", "--dist", "worksteal"]


@dataclass(frozen=True)
class Outcome:
    passed: int
    failed: int
    skipped: int
    status: int


def main(arguments: list[str]) -> int:
    suites = [(ROOT, WORKERS)]
    apart = [ROOT / "packages/torch", *sorted((ROOT / "packages/trainers").iterdir())]
    suites += [(folder, []) for folder in apart if folder.is_dir()]
    outcomes = [run(folder, [*own, *arguments]) for folder, own in suites]
    passed, failed = sum(o.passed for o in outcomes), sum(o.failed for o in outcomes)
    skipped = sum(o.skipped for o in outcomes)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    if skipped and os.environ.get("CI"):
        print("error: nothing may be skipped here", file=sys.stderr)
        return 1
    return max(abs(outcome.status) for outcome in outcomes)


def run(folder: Path, arguments: list[str]) -> Outcome:
    print(f"── {folder.relative_to(ROOT.parent)}", flush=True)
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [folder / ".venv/bin/python", "-m", "pytest", f"--junit-xml={report.name}", *arguments]
        status = subprocess.run(command, cwd=folder, check=False).returncode
        return read(Path(report.name), status)


def read(report: Path, status: int) -> Outcome:
    try:
        suite = ET.parse(report).getroot()[0]  # noqa: S314
    except (ET.ParseError, IndexError):
        return Outcome(0, 1, 0, status or 1)
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    return Outcome(total - failed - skipped, failed, skipped, status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
