"""Bring images onto this disk of which each lies at an address of its own: `fetch_images(urls, into)`."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from eyebright_kit.egress import EgressRules
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.failure import FetchCode, FetchFailed
from eyebright_kit.remote.fetch import Sources, permitted, require_fresh
from eyebright_kit.remote.source import READERS, Access, Source, source_for
from eyebright_kit.remote.transfer import FetchLimits, Order, Transfer, require_space, too_large
from eyebright_kit.remote.watch import Ledger, Stop, in_parallel, watched

#: Images that a place is asked for in vain, one after the other, before it is not asked for the rest any more.
_PATIENCE = 3

ImagesDone = Callable[[int, int], None]  # images that are done with, and all
Outcome = Path | FetchFailed


def fetch_images(
    urls: Sequence[str],
    into: Path,
    *,
    rules: EgressRules | None = None,
    sources: Sources | None = None,
    limits: FetchLimits | None = None,
    progress: ImagesDone | None = None,
    stop: Stop | None = None,
) -> list[Outcome]:
    """What came of each address, in their order: the file `00001`, `00002`, … in `into`, or why there is none.

    Several are fetched at once, and one that is listed twice only once. `max_file_bytes` are of one image, `max_total_bytes` of
    all. `into` is made, or must be empty, and belongs to the caller. Raises FetchFailed when all together are too large or what a
    scheme needs is not installed; Stopped and OSError as `fetch` does.
    """
    rules, sources, limits = rules or EgressRules(), sources or Sources(), limits or FetchLimits()
    outcomes: dict[int, Outcome] = {}
    wanted: dict[str, _Wanted] = {}
    for place, url in enumerate(urls):
        try:
            address = require_image(url, rules=rules, sources=sources)
        except FetchFailed as failure:
            outcomes[place] = failure
        else:
            wanted.setdefault(address.url, _Wanted(address)).places.append(place)
    require_fresh(into)

    def errand(ledger: Ledger) -> None:
        with ExitStack() as stack:
            opened = _opened({each.address.scheme for each in wanted.values()}, rules, sources, stack)
            gathering = _Gathering(opened, into, limits, ledger, outcomes)
            in_parallel(wanted.values(), gathering.bring, threads=READERS)

    def counted(_done_bytes: int, _total_bytes: int | None) -> None:
        if progress:
            progress(len(outcomes), len(urls))

    watched(errand, counted, stop)
    return [outcomes[place] for place in range(len(urls))]


def require_image(url: str, *, rules: EgressRules | None = None, sources: Sources | None = None) -> Address:
    """What can be said of an image's address without calling anybody. Raises FetchFailed."""
    address = permitted(url, rules or EgressRules(), sources or Sources())
    if address.is_prefix:
        raise FetchFailed(FetchCode.ADDRESS_INVALID, f"{address.shown} is a folder; expected the address of one image")
    return address


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An address, and where in the list it stands."""

    address: Address
    places: list[int] = field(default_factory=list[int])


def _opened(schemes: Iterable[str], rules: EgressRules, sources: Sources, stack: ExitStack) -> dict[str, Source]:
    accesses = {scheme: Access(rules, sources.endpoints.get(scheme)) for scheme in sorted(schemes)}
    return {scheme: stack.enter_context(closing(source_for(scheme, access))) for scheme, access in accesses.items()}


class _Gathering:
    """One list, in the threads that may be left behind."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        into: Path,
        limits: FetchLimits,
        ledger: Ledger,
        outcomes: dict[int, Outcome],
    ) -> None:
        self._sources = sources
        self._into = into
        # What other images brought earns the host of this one no patience.
        self._limits = replace(limits, tries_once_begun=limits.tries)
        self._ledger = ledger
        self._outcomes = outcomes
        self._in_vain: Counter[str] = Counter()  # images in a row, by place

    def bring(self, wanted: _Wanted) -> None:
        """To every place of the list that has this address."""
        self._ledger.require_wanted()  # the caller may have removed the folder by now
        if self._ledger.done_bytes > self._limits.max_total_bytes:
            raise too_large("what the list names, together,", self._limits.max_total_bytes)
        first, *others = wanted.places
        outcome = self._outcomes[first] = self._outcome(wanted.address, self._file(first))
        for place in others:
            self._outcomes[place] = self._again(outcome, self._file(place)) if isinstance(outcome, Path) else outcome

    def _file(self, place: int) -> Path:
        return self._into / f"{place + 1:05}"

    def _outcome(self, address: Address, target: Path) -> Outcome:
        if (count := self._in_vain[address.place]) >= _PATIENCE:
            return _not_asked(address, count)
        try:
            self._transfer(address, target)
        except FetchFailed as failure:
            target.unlink(missing_ok=True)
            self._in_vain[address.place] += failure.code is FetchCode.UNREACHABLE
            return failure
        self._in_vain[address.place] = 0
        return target

    def _transfer(self, address: Address, target: Path) -> None:
        order = Order(address, target, self._limits.max_file_bytes)
        Transfer(self._sources[address.scheme], order, self._limits, self._ledger).run()

    def _again(self, file: Path, target: Path) -> Path:
        """A link, or else a copy: a large image that is listed ten thousand times must not fill the disk unasked."""
        try:
            os.link(file, target)
        except OSError:
            require_space(self._into, file.stat().st_size, self._limits)
            shutil.copyfile(file, target)
        return target


def _not_asked(address: Address, count: int) -> FetchFailed:
    return FetchFailed(
        FetchCode.UNREACHABLE, f"{address.shown} was not asked for: {address.place} did not answer for {count} others"
    )
