"""Run every test: the workspace's, then those of packages/torch and of each trainer in their own environments; ends with one
line of totals.

Extra arguments go to every pytest. With CI set, a skipped test is a failure: nothing may go untested in silence.
"""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET  # our own pytest wrote it
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
#: Most of the workspace's tests wait for processes.
WORKERS = ["-n", "2", "--dist", "worksteal"]
#: Much of a trainer's tests is one core that imports a framework, so two suites go on side by side.
SIDE_BY_SIDE = 2
#: Those that take longest begin first, so that every core is busy to the end.
LONGEST = ("transformers", "ultralytics", "mmdet", "diffusion", "timm")


@dataclass(frozen=True)
class Outcome:
    passed: int
    failed: int
    skipped: int
    status: int


def main(arguments: list[str]) -> int:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as side_by_side:
        outcomes = [run(ROOT, [*WORKERS, *arguments])]
        outcomes += side_by_side.map(lambda folder: told_at_its_end(folder, arguments), apart())
    passed, failed = sum(o.passed for o in outcomes), sum(o.failed for o in outcomes)
    skipped = sum(o.skipped for o in outcomes)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    if skipped and os.environ.get("CI"):
        print("error: nothing may be skipped here", file=sys.stderr)
        return 1
    return max(abs(outcome.status) for outcome in outcomes)


def apart() -> list[Path]:
    """The projects with an environment of their own, in the order in which their tests begin."""
    found = [ROOT / "packages/torch", *filter(Path.is_dir, sorted((ROOT / "packages/trainers").iterdir()))]
    return sorted(found, key=lambda folder: LONGEST.index(folder.name) if folder.name in LONGEST else len(LONGEST))


def told_at_its_end(folder: Path, arguments: list[str]) -> Outcome:
    """So that what two suites print is not mixed up."""
    print(f"── {folder.relative_to(ROOT)} begins", flush=True)
    with tempfile.TemporaryFile() as printed:
        outcome = run(folder, arguments, printed)
        printed.seek(0)
        print(f"── {folder.relative_to(ROOT)}\n{printed.read().decode(errors='replace')}", flush=True)
    return outcome


def run(folder: Path, arguments: list[str], printed: IO[bytes] | None = None) -> Outcome:
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [folder / ".venv/bin/python", "-m", "pytest", f"--junit-xml={report.name}", *arguments]
        status = subprocess.run(command, cwd=folder, check=False, stdout=printed, stderr=printed).returncode
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
