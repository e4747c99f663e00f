"""The first stage of an import whose data lie elsewhere: bring them here, as the operator's rules allow."""

from pathlib import Path

from pydantic import TypeAdapter

from eyebright_kit.errors import ConfigInvalid, DatasetInvalid, DiskFull, StorageUnavailable, TrainerFailure
from eyebright_kit.importing.order import Fetching
from eyebright_kit.remote.failure import PASSING, FetchCode, FetchFailed
from eyebright_kit.remote.failure import Stopped as FetchStopped
from eyebright_kit.runtime import Context, Stopped
from eyebright_wire.events import Unit

#: What speaks against the data; all else that does not pass by itself speaks against the address.
_OF_THE_DATA = frozenset({FetchCode.NOT_A_ZIP, FetchCode.UNSAFE_NAME, FetchCode.TOO_LARGE})


def fetched(ctx: Context, url: str, rules: Fetching, into: Path) -> Path:
    """The zip or folder that lies below `into` now. Raises TrainerFailure with what the person can do, or Stopped."""
    from eyebright_kit.disk import is_full
    from eyebright_kit.egress import EgressRules
    from eyebright_kit.remote import fetch as remote  # here, because most imports call nobody

    def told(done: int, total: int | None) -> None:
        ctx.progress(epoch=1, epochs=1, step=done, steps=total, unit=Unit.BYTES)

    try:
        return remote.fetch(
            url,
            into,
            rules=TypeAdapter(EgressRules).validate_python(rules.egress),
            sources=TypeAdapter(remote.Sources).validate_python(rules.sources),
            limits=TypeAdapter(remote.FetchLimits).validate_python(rules.limits),
            progress=told,
            stop=lambda: ctx.stopping is not None,
        )
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
    """Of a place that stays away the fetch has tried long enough itself; what was changed in between can come as a whole."""
    if error.code in PASSING:
        return StorageUnavailable(error.message, retryable=error.code is FetchCode.CHANGED)
    return DatasetInvalid(error.message) if error.code in _OF_THE_DATA else ConfigInvalid(error.message)
