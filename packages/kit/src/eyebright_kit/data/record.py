"""Write down what is found in a data set while it is read, and what is left out because of it."""

from pathlib import Path

from eyebright_kit.data.changes import ChangeLog
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.findings import CATALOGUE, Findings
from eyebright_kit.data.format import Candidate, Remark, shown_path


class Record:
    """Findings, about what is still to be found, and the list of changes: what alters the version by itself is on both."""

    def __init__(self, root: Path, findings: Findings, changes: ChangeLog) -> None:
        self.root = root
        self._findings = findings
        self._changes = changes

    def found(self, code: str, where: str, detail: str = "") -> None:
        """`where` is a name that can be shown."""
        self._findings.add(code, where, detail)
        if CATALOGUE[code].alters:
            self._changes.add(code, where, detail)

    def wished(self, code: str, where: str, detail: str = "") -> None:
        """Something was left out, changed or mended because the plan says so: nothing that is still to be found."""
        self._changes.add(code, where, detail)

    def remark(self, remark: Remark) -> None:
        self.found(remark.code, self.shown(remark.path, remark.mark), remark.detail)

    def unreadable(self, error: Unreadable) -> None:
        self.found(error.code, self.shown(error.path, error.line), error.detail)

    def shown_image(self, candidate: Candidate) -> str:
        return candidate.shown or shown_path(candidate.path, self.root)

    def shown(self, path: Path, mark: str | int | None = None) -> str:
        """`labels/a.txt:3` for a line, `instances.json: annotation 7` for anything else."""
        shown = shown_path(path, self.root)
        if mark is None or mark == "":
            return shown
        return f"{shown}:{mark}" if str(mark).isdigit() else f"{shown}: {mark}"
