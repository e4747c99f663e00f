"""Bring a data set from elsewhere onto this disk: `fetch(url, into)`; or a file of any kind: `fetch_file(url, into)`."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from eyebright_kit.egress import EgressDenied, EgressRules, require_callable, shown
from eyebright_kit.names import NameRefused, Names, safe_parts
from eyebright_kit.remote.address import Address, scheme_of
from eyebright_kit.remote.failure import FetchCode, FetchFailed, Stopped
from eyebright_kit.remote.source import (
    READERS,
    Access,
    Interrupted,
    Listed,
    Source,
    installed,
    no_object,
    schemes_in_words,
    source_for,
)
from eyebright_kit.remote.transfer import FetchLimits, Order, Transfer, require_space, retrying, too_large
from eyebright_kit.remote.watch import Ledger, Progress, Stop, in_parallel, watched
from eyebright_kit.zipdirectory import shown as quoted
from eyebright_wire.names import dataset_name

__all__ = [
    "FetchCode", "FetchFailed", "FetchLimits", "Progress", "Sources", "Stop", "Stopped",
    "default_name", "fetch", "fetch_file", "permitted", "require_fetchable", "require_fresh",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sources:
    """What the operator decided about places to fetch from; never part of a request.

    `endpoints` are addresses of stores that speak one of the dialects, such as `{"s3": "https://minio.example:9000"}`. `only`,
    if not empty, are the addresses below which a data set may lie, such as `s3://datasets/`.
    """

    schemes: tuple[str, ...] = ("https", "s3", "gs", "az")
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])
    only: tuple[str, ...] = ()


def fetch(
    url: str,
    into: Path,
    *,
    rules: EgressRules | None = None,
    sources: Sources | None = None,
    limits: FetchLimits | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Path:
    """Fetch the zip that `url` names, or every object below a prefix (`s3://bucket/prefix/`, with a slash at its end).

    Answers the zip file or the folder, which lies in `into`; `into` is made, or must be empty, and belongs to the caller, who
    removes it, also after a failure. `progress` and `stop` are called about five times a second, in the caller's thread; what
    they raise ends the work and passes through. Raises FetchFailed with the reason, Stopped within a second of `stop`
    answering True, OSError when the disk is full or cannot be written.
    """
    rules, sources = rules or EgressRules(), sources or Sources()
    address = permitted(url, rules, sources)
    access = Access(rules, sources.endpoints.get(address.scheme))
    return _fetched(address, into, access, limits or FetchLimits(), _Errand.run, progress, stop)


def fetch_file(
    url: str,
    into: Path,
    *,
    rules: EgressRules | None = None,
    sources: Sources | None = None,
    limits: FetchLimits | None = None,
    stop: Stop | None = None,
) -> Path:
    """Fetch the one object that `url` names, of at most `max_file_bytes`, and do not look into it.

    Answers the file, which lies in `into`; of that, of `stop` and of what is raised everything is as with `fetch`.
    """
    rules, sources = rules or EgressRules(), sources or Sources()
    address = permitted(url, rules, sources)
    if address.is_prefix:
        raise FetchFailed(FetchCode.ADDRESS_INVALID, f"{address.shown} is a folder; expected the address of one file")
    access = Access(rules, sources.endpoints.get(address.scheme))
    return _fetched(address, into, access, limits or FetchLimits(), _Errand.file, None, stop)


def _fetched(
    address: Address,
    into: Path,
    access: Access,
    limits: FetchLimits,
    work: Callable[["_Errand"], Path],
    progress: Progress | None,
    stop: Stop | None,
) -> Path:
    require_fresh(into)

    def errand(ledger: Ledger) -> Path:
        with closing(source_for(address.scheme, access)) as source:
            return work(_Errand(source, address, into, limits, ledger))

    return watched(errand, progress, stop)


def require_fetchable(url: str, *, rules: EgressRules | None = None, sources: Sources | None = None) -> None:
    """What can be said of an address without calling anybody, for a door that wants to refuse at once. Raises FetchFailed."""
    permitted(url, rules or EgressRules(), sources or Sources())


def default_name(url: str) -> str:
    """What a data set from there is called unless its owner says otherwise: `https://…/My photos.zip?sig=…` → `My-photos`.

    Raises FetchFailed for what is no address.
    """
    address = Address.of(url)
    return dataset_name(address.key.rstrip("/").rpartition("/")[2] or address.place)


def permitted(url: str, rules: EgressRules, sources: Sources) -> Address:
    """An address taken apart that the operator's rules let pass, as far as it can be told without calling anybody. Raises
    FetchFailed."""
    if (scheme := scheme_of(url)) and scheme not in installed():  # first: what the rest must look like depends on it
        raise FetchFailed(
            FetchCode.SCHEME_UNKNOWN, f"{shown(url)} has an unknown scheme; expected {schemes_in_words()}"
        )
    address = Address.of(url)
    if {"http": "https"}.get(address.scheme, address.scheme) not in sources.schemes:  # http is the egress rules' affair
        open_ones = ", ".join(f"{scheme}://" for scheme in sources.schemes) or "no address at all"
        raise FetchFailed(FetchCode.ADDRESS_DENIED, f"{address.shown}: this server fetches from {open_ones} only")
    if sources.only and not any(address.lies_below(root) for root in sources.only):
        raise FetchFailed(
            FetchCode.ADDRESS_DENIED, f"{address.shown}: this server fetches from below {', '.join(sources.only)} only"
        )
    if address.scheme in ("https", "http"):
        _require_permitted(address, rules)
    return address


def _require_permitted(address: Address, rules: EgressRules) -> None:
    try:
        require_callable(address.url, rules)
    except EgressDenied as error:
        raise FetchFailed(FetchCode.ADDRESS_DENIED, str(error)) from None


def require_fresh(into: Path) -> None:
    """Makes the folder. Raises FileExistsError when there is something in it."""
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise FileExistsError(f"a data set is only fetched into a new or empty folder, and {into} is not empty")


@dataclass(frozen=True, slots=True)
class _Errand:
    """One fetch, in the threads that may be left behind."""

    source: Source
    address: Address
    into: Path
    limits: FetchLimits
    ledger: Ledger

    def run(self) -> Path:
        return self._folder() if self.address.is_prefix else self._zip()

    def file(self) -> Path:
        target = self.into / "file"
        self._bring(Order(self.address, target, self.limits.max_file_bytes))
        return target

    def _zip(self) -> Path:
        target = self.into / "archive.zip"
        self._bring(Order(self.address, target, self.limits.max_total_bytes, must_be_zip=True))
        return target

    def _folder(self) -> Path:
        found = self._found()
        self.ledger.total_bytes = sum(listed.size_bytes for listed in found)
        require_space(self.into, self.ledger.total_bytes, self.limits)
        root = self.into / "objects"
        in_parallel(found, lambda listed: self._bring(self._order(listed, root)), threads=READERS)
        return root

    def _bring(self, order: Order) -> None:
        self.ledger.require_wanted()  # the caller may have removed the folder by now
        order.target.parent.mkdir(parents=True, exist_ok=True)
        Transfer(self.source, order, self.limits, self.ledger).run()

    def _order(self, listed: Listed, root: Path) -> Order:
        address = self.address.below(listed.key)
        target = root / self._name(listed)
        return Order(address, target, self.limits.max_file_bytes, listed.size_bytes, listed.tag)

    def _name(self, listed: Listed) -> str:
        return listed.key.removeprefix(self.address.key)

    def _found(self) -> list[Listed]:
        """What lies below the prefix, none of it too large and each name fit to be a path beside the others."""
        try:
            found = retrying(self.limits, self.ledger)(self._listed)
        except Interrupted as error:
            raise FetchFailed(FetchCode.UNREACHABLE, f"{self.address.shown} could not be listed: {error}") from error
        if not found:
            raise no_object(self.address)
        _require_paths(map(self._name, found))
        return found

    def _listed(self) -> list[Listed]:
        """Counts while it goes, so that a bucket without end costs no memory without end."""
        found: list[Listed] = []
        total = 0
        for listed in self.source.list(self.address):
            self.ledger.require_wanted()
            if _is_marker(listed):
                continue
            found.append(listed)
            total += listed.size_bytes
            self._require_modest(listed, len(found), total)
        return found

    def _require_modest(self, listed: Listed, count: int, total: int) -> None:
        limits, shown = self.limits, self.address.shown
        if count > limits.max_objects:
            raise FetchFailed(
                FetchCode.TOO_LARGE,
                f"{shown} holds more than {limits.max_objects:,} objects, the most that is accepted; split it",
            )
        if listed.size_bytes > limits.max_file_bytes:
            raise too_large(self.address.below(listed.key).shown, limits.max_file_bytes)
        if total > limits.max_total_bytes:
            raise too_large(shown, limits.max_total_bytes)


def _is_marker(listed: Listed) -> bool:
    """Consoles make a folder by putting an empty object in its name."""
    return listed.size_bytes == 0 and listed.key.endswith("/")


def _require_paths(names: Iterable[str]) -> None:
    taken = Names()
    for name in names:
        try:
            taken.take(safe_parts(name, "object"))
        except NameRefused as refused:
            raise FetchFailed(FetchCode.UNSAFE_NAME, refused.message) from None
        if name.endswith("/"):
            raise FetchFailed(FetchCode.UNSAFE_NAME, f"the object {quoted(name)} is named like a folder but holds data")
