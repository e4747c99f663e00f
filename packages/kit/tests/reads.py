"""What a format makes of a folder, in a few words: `reads = Reads(Voc())`, `reads.only(root)`."""

from dataclasses import dataclass
from pathlib import Path

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.format import Annotations, Candidate, Format, Reading, Remark


@dataclass(frozen=True)
class Reads:
    form: Format

    def __call__(self, root: Path) -> Reading:
        return self.form.read(root)

    def candidates(self, root: Path) -> list[Candidate]:
        return [found for found in self(root).found() if isinstance(found, Candidate)]

    def remarks(self, root: Path) -> list[tuple[str, str, str]]:
        """Code, path and mark of what is remarked while the files are found, sorted."""
        found = [found for found in self(root).found() if isinstance(found, Remark)]
        return sorted((each.code, each.path.relative_to(root).as_posix(), each.mark) for each in found)

    def annotations(self, root: Path, size: int = 16) -> Annotations:
        """Of the first image."""
        annotate = self.candidates(root)[0].annotate
        assert annotate
        return annotate(size, size)

    def only(self, root: Path) -> Instance:
        """The one object of the first image, of which there is nothing to remark."""
        found = self.annotations(root)
        assert not found.remarks
        (instance,) = found.instances
        return instance


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
