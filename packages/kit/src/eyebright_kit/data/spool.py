"""The samples of a set while it is being read: lines in a file, so that memory holds no annotations."""

from pathlib import Path

from eyebright_kit.data.manifest import Sample, line_of, sample_of


class Spool:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._end = 0

    def close(self) -> None:
        self._file.close()

    def add(self, sample: Sample) -> int:
        """Where it lies: the key to `sample`."""
        start, line = self._end, line_of(sample)
        self._file.write(line)
        self._end += len(line)
        return start

    def line(self, start: int) -> bytes:
        self._file.seek(start)
        return self._file.readline()

    def sample(self, start: int) -> Sample:
        return sample_of(self.line(start))
