"""A Stable Diffusion in a bucket: all that lies below an address, fetched once."""

import hashlib
import tempfile
from pathlib import Path

from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.importing.fetching import fetched
from eyebright_kit.importing.order import Fetching
from eyebright_kit.runtime import Context
from eyebright_wire.jobs import Stage

_SCHEMES = ("s3://", "gs://", "az://")


def is_address(name: str) -> bool:
    return name.startswith(_SCHEMES)


def folder_name(address: str) -> str:
    """What it is kept as: the hash of its address, because names never become paths."""
    return f".at-{hashlib.sha256(_all_below(address).encode()).hexdigest()[:32]}"


def fetch(ctx: Context, address: str, into: Path) -> None:
    """`into` is there whole or not at all.

    Raises a TrainerFailure that says what the operator's rules or the bucket have against it, or Stopped.
    """
    if ctx.spec.fetching is None:
        raise ConfigInvalid(
            f"base_model={address}: nobody told this run from where it may fetch; put the base model into a folder below "
            f"{into.parent} and name that"
        )
    ctx.stage(Stage.FETCHING)
    ctx.log.info("fetching the base model %s", address)
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=into.parent) as halfway:
        found = fetched(ctx, _all_below(address), _rules(ctx.spec.fetching), Path(halfway) / "model")
        try:
            found.rename(into)
        except OSError:  # another run was quicker
            if not into.is_dir():
                raise


def _rules(told: dict[str, object]) -> Fetching:
    """A file of weights may be as large as all of them."""
    rules = Fetching.model_validate(told)
    limits = rules.limits
    return rules.model_copy(update={"limits": {**limits, "max_file_bytes": limits["max_total_bytes"]}})


def _all_below(address: str) -> str:
    """With a slash at its end, whether it was written with one or without."""
    return f"{address.rstrip('/')}/"
