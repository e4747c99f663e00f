"""Look into a manifest at any place: `Pages(manifest)` knows where each line begins."""

from array import array
from collections.abc import Callable, Iterator
from functools import cached_property

from eyebright_kit.data.manifest import Header, Manifest, Sample, sample_of


class Pages:
    """Costs eight bytes for each image and one pass over the file."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._old = manifest.header.samples  # of a manifest of the first kind, which is one line
        self._starts = array("Q") if self._old else array("Q", _starts(manifest))

    @cached_property
    def header(self) -> Header:
        return self._manifest.header

    def __len__(self) -> int:
        return len(self._old) or len(self._starts)

    def sample(self, number: int) -> Sample:
        """Raises IndexError for a number that no image has, negative ones too."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self._old[number] if self._old else next(self._from(range(number, number + 1)))[1]

    def after(
        self, number: int, limit: int, wanted: Callable[[Sample], bool] = lambda _: True
    ) -> list[tuple[int, Sample]]:
        """At most `limit` wanted samples with numbers above `number`; -1 for the first page."""
        numbers = range(number + 1, len(self))
        found = ((n, self._old[n]) for n in numbers) if self._old else self._from(numbers)
        page: list[tuple[int, Sample]] = []
        for place, sample in found:
            if wanted(sample):
                page.append((place, sample))
            if len(page) == limit:
                break
        return page

    def _from(self, numbers: range) -> Iterator[tuple[int, Sample]]:
        with self._manifest.path.open("rb") as file:
            if numbers:
                file.seek(self._starts[numbers.start])
            for number in numbers:
                yield number, sample_of(file.readline())


def _starts(manifest: Manifest) -> Iterator[int]:
    with manifest.path.open("rb") as file:
        place = len(file.readline())
        for line in file:
            yield place
            place += len(line)
