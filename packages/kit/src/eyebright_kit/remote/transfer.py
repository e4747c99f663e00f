"""One object onto the disk, resumed where it was cut: `Transfer(…).run()`."""

import errno
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from eyebright_kit.disk import free_bytes
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.failure import FetchCode, FetchFailed
from eyebright_kit.remote.source import Body, Interrupted, Reader, changed
from eyebright_kit.remote.watch import Ledger

#: Having brought so much, a connection that breaks has earned the full number of tries again; a byte each time earns nothing.
_GOOD_STRETCH_BYTES = 8 << 20
#: How often the disk is asked for its room while nobody knows how much is to come.
_LOOK_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What a data set from elsewhere may cost."""

    max_objects: int = 1_500_000
    max_total_bytes: int = 500 * 1024**3
    max_file_bytes: int = 1024**3  # of one object below a prefix; a zip counts as a whole
    spare_bytes: int = 512 * 1024**2  # that must stay free on the disk
    tries: int = 6  # in a row, without a good stretch between them
    tries_once_begun: int = (
        20  # the same after the first good stretch: minutes, because what came would have to come again
    )
    wait_seconds: float = 1.0  # at most, before the second try; doubles with each


@dataclass(frozen=True, slots=True)
class Order:
    """An object, and the file that it becomes. Size and tag are as listed, None where it was not."""

    address: Address
    target: Path
    max_bytes: int
    size_bytes: int | None = None
    tag: str | None = None
    must_be_zip: bool = False


def tries(limits: FetchLimits, ledger: Ledger) -> int:
    """How many in a row, by what has come until now."""
    return limits.tries if ledger.done_bytes < _GOOD_STRETCH_BYTES else limits.tries_once_begun


def retrying(limits: FetchLimits, ledger: Ledger) -> Retrying:
    """Tries again after Interrupted, each time later, and never before the other side said."""
    backoff = wait_random_exponential(multiplier=limits.wait_seconds, max=30)

    def pause_seconds(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(backoff(state), error.wait_seconds if isinstance(error, Interrupted) else 0.0)

    return Retrying(
        stop=lambda state: state.attempt_number >= tries(limits, ledger),
        wait=pause_seconds,
        retry=retry_if_exception_type(Interrupted),
        sleep=ledger.pause,
        reraise=True,
    )


def require_space(folder: Path, needed: int, limits: FetchLimits) -> None:
    """Raises OSError (ENOSPC) unless so many bytes fit and leave what must stay free."""
    free = free_bytes(folder)
    if needed + limits.spare_bytes > free:
        raise OSError(
            errno.ENOSPC,
            f"the data set needs {needed:,} bytes and {limits.spare_bytes:,} must stay free, but only {free:,} are; make room",
            str(folder),
        )


def too_large(what: str, most: int) -> FetchFailed:
    return FetchFailed(
        FetchCode.TOO_LARGE, f"{what} has more than {most:,} bytes, the most that is accepted; make it smaller"
    )


@dataclass(slots=True)
class Transfer:
    """The state of one object: what has arrived, and what it must be for the rest to fit."""

    source: Reader
    order: Order
    limits: FetchLimits
    ledger: Ledger
    position: int = 0
    size_bytes: int | None = field(init=False)
    tag: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.size_bytes, self.tag = self.order.size_bytes, self.order.tag

    def run(self) -> None:
        """Raises FetchFailed, OSError, or Stopped."""
        with self.order.target.open("xb") as file:
            try:
                while not self._whole:
                    retrying(self.limits, self.ledger)(self._advance, file)
            except Interrupted as error:
                raise self._unreachable(error) from error

    @property
    def _whole(self) -> bool:
        return self.position == self.size_bytes

    def _unreachable(self, error: Interrupted) -> FetchFailed:
        shown, count = self.order.address.shown, tries(self.limits, self.ledger)
        if not self.position:
            return FetchFailed(FetchCode.UNREACHABLE, f"{shown} could not be reached in {count} tries: {error}")
        size = "an unknown number" if self.size_bytes is None else f"{self.size_bytes:,}"
        return FetchFailed(
            FetchCode.UNREACHABLE,
            f"{shown} stopped at byte {self.position:,} of {size}, and {count} tries brought no more: {error}",
        )

    def _advance(self, file: BinaryIO) -> None:
        """Returns also when it was cut after a good stretch."""
        began = self.position
        try:
            self._read_on(file)
        except Interrupted:
            if not self._whole and self.position - began < _GOOD_STRETCH_BYTES:
                raise

    def _read_on(self, file: BinaryIO) -> None:
        # Without a tag nobody could tell whether the rest belongs to the beginning.
        start = self.position if self.tag else 0
        with self.source.read(self.order.address, start, self.tag) as body:
            self._accept(body)
            self._rewind(file, body.start)
            for chunk in body.chunks:
                self._take(chunk, file)
        if self.size_bytes is None:
            self.size_bytes = self.position
        if not self._whole:
            raise Interrupted(f"the answer ended at byte {self.position:,} of {self.size_bytes:,}")

    def _accept(self, body: Body) -> None:
        """The first answer says what the object is; all others must agree."""
        if _differ(self.tag, body.tag) or _differ(self.size_bytes, body.size_bytes) or body.start > self.position:
            raise changed(self.order.address)
        self.tag = self.tag or body.tag
        if self.size_bytes is None and body.size_bytes is not None:
            self._learn_size(body.size_bytes)

    def _learn_size(self, size: int) -> None:
        if size > self.order.max_bytes:
            raise too_large(self.order.address.shown, self.order.max_bytes)
        require_space(self.order.target.parent, size, self.limits)
        self.size_bytes = self.ledger.total_bytes = size

    def _rewind(self, file: BinaryIO, start: int) -> None:
        self.ledger.add(start - self.position)
        self.position = start
        file.seek(start)
        file.truncate()

    def _take(self, chunk: bytes, file: BinaryIO) -> None:
        if self.order.must_be_zip and self.position == 0:
            _require_zip(self.order.address, chunk)
        if self.size_bytes is not None and self.position + len(chunk) > self.size_bytes:
            raise changed(self.order.address)
        if self.position + len(chunk) > self.order.max_bytes:
            raise too_large(self.order.address.shown, self.order.max_bytes)
        if self.size_bytes is None and self.position // _LOOK_BYTES != (self.position + len(chunk)) // _LOOK_BYTES:
            require_space(self.order.target.parent, _LOOK_BYTES, self.limits)
        self.ledger.add(len(chunk))
        self.position += file.write(chunk)


def _differ(known: str | int | None, found: str | int | None) -> bool:
    return known is not None and found is not None and known != found


def _require_zip(address: Address, start: bytes) -> None:
    """Said at the first bytes rather than after the last of many; the extractor looks closely."""
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")) or len(start) < 4:
        return
    page = start.lstrip()[:1] == b"<"
    found = "it answers with a web page; give the address of the file itself" if page else "it begins like no zip does"
    raise FetchFailed(FetchCode.NOT_A_ZIP, f"{address.shown} is not a zip archive: {found}")
