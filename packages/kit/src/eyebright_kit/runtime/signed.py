"""A place in a bucket, as a trainer sees it: a folder of this disk that files are brought to, and sent from, by signed URLs."""

import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from itertools import islice
from pathlib import Path
from typing import TypeVar

from eyebright_kit.disk import is_full, sha256_of
from eyebright_kit.errors import ConfigInvalid, DiskFull, StorageUnavailable, TrainerFailure
from eyebright_kit.remote import failure, watch
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.failure import FetchFailed
from eyebright_kit.remote.source import READERS, Interrupted
from eyebright_kit.remote.transfer import FetchLimits, Order, Transfer, require_space, retrying
from eyebright_kit.remote.watch import Ledger, beside, in_parallel, watched
from eyebright_kit.runtime.context import Stopped
from eyebright_kit.runtime.courier import (
    LAST,
    Courier,
    Reading,
    Signer,
    checked,
    http_client,
    reading,
    removing,
    writing,
)
from eyebright_kit.runtime.place import Listed
from eyebright_kit.runtime.stop import StopReason, StopRequest
from eyebright_wire.artifacts import MOST_URLS, Grant

#: To read: six tries in a row, or some minutes once much has come. Another attempt can begin anew.
READING = FetchLimits(spare_bytes=64 << 20)
#: To write: about half an hour. Hours of training may hang on it, while a bucket is away or the control plane starts anew.
WRITING = FetchLimits(tries=130, tries_once_begun=130)
#: For what can be left undone: to remove, and to write the very last file, of which the control plane has heard most already.
LEAVING = FetchLimits(tries=3, tries_once_begun=3)
LEAVING_SECONDS = 10.0
_WRITERS = 4
_MOST_UNLISTED_BYTES = 64 << 30  # of a file whose size nobody told: a manifest
_LOOK_SECONDS = 0.2

T = TypeVar("T")
_log = logging.getLogger("eyebright.signed")


class SignedPlace:
    """A Place below one grant. `folder` is on this disk; `moved` is told while the caller waits for bytes."""

    def __init__(
        self, grant: Grant, folder: Path, token: str, stop: StopRequest, moved: Callable[[], None] = lambda: None
    ) -> None:
        if not token:
            raise ConfigInvalid(
                f"{grant.uri} opens only to the attempt that the order was sealed for, and while it runs; to run the same "
                "order again, order it from the server"
            )
        self.folder = folder
        self._stop = stop
        self._moved = moved
        self._signer = Signer(grant, token, stop)
        self._root = Address.of(grant.uri)
        self._delivery: Future[None] | None = None
        self._owing = False  # something could not be sent: it is all that is left of it

    def bring(self, files: Iterable[Listed]) -> None:
        self._carried_out(lambda ledger: self._bring(files, ledger), lambda: self._stop.reason is not None, self._moved)

    def send(self, files: Iterable[Listed]) -> None:
        self._send_all([files], self._moved)

    def deliver(self, files: Iterable[Listed], last: Listed, then: Callable[[], None]) -> None:
        """One at a time: while it is on its way training goes on, but the next one waits for it."""
        self.settle()
        self._delivery = beside(lambda: self._delivered(files, last, then))

    def remove(self, paths: Sequence[str]) -> None:
        try:
            self._carried_out(lambda ledger: self._remove(paths, ledger), self._fenced, lambda: None)
        except Stopped:
            return
        except TrainerFailure as error:
            _log.warning("%s stays in %s, and is wanted no more: %s", paths[0], self._root.shown, error)

    def settle(self) -> None:
        if self._delivery is None:
            return
        while not wait([self._delivery], _LOOK_SECONDS).done:
            self._moved()
        delivery, self._delivery = self._delivery, None
        delivery.result()

    def leave(self, last: Path) -> None:
        deadline = time.monotonic() + LEAVING_SECONDS
        try:
            self._carried_out(
                lambda ledger: self._leave(last, ledger), lambda: time.monotonic() > deadline, self._moved
            )
        finally:
            if not self._owing:
                shutil.rmtree(self.folder, ignore_errors=True)

    # Reading

    def _bring(self, files: Iterable[Listed], ledger: Ledger) -> None:
        # What the set holds twice is counted twice: to know better would take memory for every one of a million names.
        require_space(self.folder, sum(file.size_bytes or 0 for file in self._missing(files)), READING)
        with http_client() as client:
            for batch in _batches(self._missing(files)):
                self._bring_batch({file.path: file for file in batch}, Courier(self._signer, client), ledger)

    def _bring_batch(self, files: dict[str, Listed], courier: Courier, ledger: Ledger) -> None:
        retrying(READING, ledger)(courier.ask, [reading(file) for file in files.values()])
        in_parallel(files.values(), lambda file: self._fetch(file, Reading(courier, file), ledger), threads=READERS)

    def _missing(self, files: Iterable[Listed]) -> Iterator[Listed]:
        """What lies there was verified before it got its name."""
        return (file for file in files if not self._path(file).exists())

    def _fetch(self, file: Listed, reading: Reading, ledger: Ledger) -> None:
        target = self._path(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{uuid.uuid4().hex}.part")
        address = self._root.below(self._root.key + file.path)
        Transfer(
            reading, Order(address, draft, file.size_bytes or _MOST_UNLISTED_BYTES, file.size_bytes), READING, ledger
        ).run()
        if (found := sha256_of(draft)) != file.sha256:
            draft.unlink()
            raise StorageUnavailable(
                f"{address.shown} is damaged: its sha256 is {found}, expected {file.sha256}; put it right there, or import "
                "or train it again",
                retryable=False,
            )
        draft.rename(target)

    def _path(self, file: Listed) -> Path:
        return self.folder / checked(file.path)

    # Writing

    def _send_all(self, turns: Iterable[Iterable[Listed]], moved: Callable[[], None]) -> None:
        try:
            self._carried_out(lambda ledger: self._send_turns(turns, ledger), self._fenced, moved)
        except TrainerFailure:
            self._owing = True
            raise

    def _fenced(self) -> bool:
        """Whoever is only asked to stop still sends a last checkpoint."""
        return self._stop.reason is StopReason.FENCED

    def _send_turns(self, turns: Iterable[Iterable[Listed]], ledger: Ledger) -> None:
        with http_client() as client:
            courier = Courier(self._signer, client)
            for batch in (batch for files in turns for batch in _batches(files)):
                retrying(WRITING, ledger)(courier.ask, [*(writing(file) for file in batch), LAST])
                in_parallel(batch, lambda file: self._put(courier, file, ledger), threads=_WRITERS)

    def _put(self, courier: Courier, file: Listed, ledger: Ledger) -> None:
        retrying(WRITING, ledger)(courier.put, writing(file), self._path(file), ledger)

    def _delivered(self, files: Iterable[Listed], last: Listed, then: Callable[[], None]) -> None:
        try:
            self._send_all([files, [last]], lambda: None)
        except Stopped:
            return
        except TrainerFailure as error:
            _log.warning("%s could not be sent, so nobody is told of it; training goes on: %s", last.path, error)
            return
        then()

    def _remove(self, paths: Sequence[str], ledger: Ledger) -> None:
        with http_client() as client:
            courier = Courier(self._signer, client)
            for batch in _batches(paths):
                wanted = [removing(path) for path in batch]
                retrying(LEAVING, ledger)(courier.ask, wanted)
                for each in wanted:
                    retrying(LEAVING, ledger)(courier.remove, each)

    def _leave(self, last: Path, ledger: Ledger) -> None:
        with http_client() as client:
            retrying(LEAVING, ledger)(Courier(self._signer, client).put, LAST, last, ledger)

    # Both

    def _carried_out(self, work: Callable[[Ledger], None], stop: watch.Stop, moved: Callable[[], None]) -> None:
        try:
            watched(work, lambda _done, _total: moved(), stop)
        except failure.Stopped:
            raise Stopped from None
        except FetchFailed as error:
            raise StorageUnavailable(error.message, retryable=error.code in failure.PASSING) from error
        except Interrupted as error:
            raise StorageUnavailable(f"{self._root.shown} cannot be reached: {error}") from error
        except OSError as error:
            if is_full(error):
                raise DiskFull(
                    f"no room in {self.folder}: {error.strerror}; free space there and retry the job"
                ) from error
            raise StorageUnavailable(f"cannot read or write below {self.folder}: {error}") from error


def _batches(files: Iterable[T]) -> Iterator[list[T]]:
    """One less than may be asked for at once: the spool goes along."""
    source = iter(files)
    while batch := list(islice(source, MOST_URLS - 1)):
        yield batch
