"""The first stage of an import whose data lie elsewhere: bring them here, as the operator's rules allow."""

from pathlib import Path

from pydantic import TypeAdapter

from eyebright_kit.errors import DiskFull, TrainerFailure
from eyebright_kit.importing.order import Fetching
from eyebright_kit.runtime import Context, Stopped
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Unit


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
    except remote.Stopped:
        raise Stopped from None
    except remote.FetchFailed as error:
        code = ErrorCode.STORAGE_ERROR if error.retryable else ErrorCode.DATASET_INVALID
        raise TrainerFailure(code, error.message) from None
    except OSError as error:
        if is_full(error):
            raise DiskFull(
                f"no room was left in {into} for what is fetched; free some space and import it again"
            ) from None
        raise
