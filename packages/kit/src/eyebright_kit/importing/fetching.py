"""The first stage of an import whose data lie elsewhere: bring them here, as the operator's rules allow."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from eyebright_kit.errors import ConfigInvalid, DatasetInvalid, DiskFull, StorageUnavailable, TrainerFailure
from eyebright_kit.importing.order import Fetching
from eyebright_kit.remote.failure import PASSING, FetchCode, FetchFailed
from eyebright_kit.remote.failure import Stopped as FetchStopped
from eyebright_kit.runtime import Context, Stopped
from eyebright_wire.events import Unit

#: What speaks against the data, as that there are none does; all else that does not pass by itself speaks against the address.
_OF_THE_DATA = frozenset({FetchCode.NOT_FOUND, FetchCode.NOT_A_ZIP, FetchCode.UNSAFE_NAME, FetchCode.TOO_LARGE})


def fetched(ctx: Context, url: str, rules: Fetching, into: Path) -> Path:
    """The zip or folder that lies below `into` now. Raises TrainerFailure with what the person can do, or Stopped."""
    from eyebright_kit.remote.fetch import fetch  # here, because most imports call nobody

    def told(done: int, total: int | None) -> None:
        ctx.progress(epoch=1, epochs=1, step=done, steps=total, unit=Unit.BYTES)

    with _explained(into):
        return fetch(url, into, **_ruled(rules), progress=told, stop=lambda: ctx.stopping is not None)


def images_fetched(ctx: Context, urls: Sequence[str], rules: Fetching, into: Path) -> list[Path | FetchFailed]:
    """The file below `into` that came of each address, or why none did. Raises as `fetched` does when nothing more can come."""
    from eyebright_kit.remote.images import fetch_images

    def told(done: int, total: int) -> None:
        ctx.progress(epoch=1, epochs=1, step=done, steps=total, unit=Unit.IMAGES)

    with _explained(into):
        return fetch_images(urls, into, **_ruled(rules), progress=told, stop=lambda: ctx.stopping is not None)


def _ruled(rules: Fetching) -> dict[str, Any]:
    from eyebright_kit.egress import EgressRules
    from eyebright_kit.remote.fetch import FetchLimits, Sources

    return {
        "rules": TypeAdapter(EgressRules).validate_python(rules.egress),
        "sources": TypeAdapter(Sources).validate_python(rules.sources),
        "limits": TypeAdapter(FetchLimits).validate_python(rules.limits),
    }


@contextmanager
def _explained(into: Path) -> Generator[None]:
    from eyebright_kit.disk import is_full

    try:
        yield
    except FetchStopped:
        raise Stopped from None
    except FetchFailed as error:
        raise _failure(error) from None
    except OSError as error:
        if is_full(error):
            raise DiskFull(
                f"no room was left in {into} for what is fetched; free some space and import it again"
            ) from None
        raise


def _failure(error: FetchFailed) -> TrainerFailure:
    failure = _class_of(error)
    failure.errors = ({"code": str(error.code), "field": "url", "message": error.message},)
    return failure


def _class_of(error: FetchFailed) -> TrainerFailure:
    """Of a place that stays away the fetch has tried long enough itself; what was changed in between can come as a whole."""
    if error.code in PASSING:
        return StorageUnavailable(error.message, retryable=error.code is FetchCode.CHANGED)
    return DatasetInvalid(error.message) if error.code in _OF_THE_DATA else ConfigInvalid(error.message)
