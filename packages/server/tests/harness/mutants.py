"""Mistakes that somebody could make in the rules, each a small edit of real source; the model must notice every one."""

import importlib
import inspect
import sys
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """`where` is `module:name` or `module:Class.name`; `right` occurs in its source and becomes `wrong`."""

    name: str
    where: str
    right: str
    wrong: str


CORE, SERVICES = "eyebright.core", "eyebright.services"

MUTANTS = [
    Mutant(
        "stale events are accepted",
        f"{CORE}.lifecycle:current",
        "if not run.current or run.attempt is None:",
        "if run.attempt is None:",
    ),
    Mutant(
        "holes are accepted",
        f"{CORE}.lifecycle:_apply_one",
        "event.seq != attempt.last_seq + 1",
        "event.seq <= attempt.last_seq",
    ),
    Mutant("an attempt talks on after its claim", f"{CORE}.lifecycle:_apply_one", "attempt.claim is not None", "False"),
    Mutant(
        "the fencing token stays", f"{CORE}.lifecycle:claim", "number = job.attempt + 1", "number = max(1, job.attempt)"
    ),
    Mutant("loss forgets the wish to cancel", f"{CORE}.lifecycle:end", "if job.cancel_requested:", "if False:"),
    Mutant(
        "retries are not charged",
        f"{CORE}.lifecycle:end",
        "job = charge(job, code, checkpointed=attempt.checkpoints > 0)",
        "",
    ),
    Mutant(
        "retries are unlimited", f"{CORE}.lifecycle:_again_or_failed", "can_retry and given_up is None", "can_retry"
    ),
    Mutant(
        "a success keeps its attempt live",
        f"{CORE}.lifecycle:succeed",
        '_ended(attempt, "succeeded", now_ms)',
        "attempt",
    ),
    Mutant("a loss keeps its attempt live", f"{CORE}.lifecycle:_ended", "ended_at_ms=now_ms, ", ""),
    Mutant("what is released stays held", f"{CORE}.lifecycle:release", "replace(job, held=False)", "job"),
    Mutant("versions stand still", f"{CORE}.records:changed", "before.job.version + 1", "before.job.version"),
    Mutant("versions jump", f"{CORE}.records:changed", "before.job.version + 1", "before.job.version + 2"),
    Mutant("any token will do", f"{SERVICES}.ingest:authentic", "return run.attempt is not None and", "return True or"),
    Mutant("contradictions are swallowed", f"{SERVICES}.ingest:_same", "stored is not None and", "True or"),
    Mutant(
        "repetitions are stored again",
        f"{SERVICES}.ingest:_without_repeats",
        "if event.seq > last)",
        "if event.seq >= last)",
    ),
    Mutant(
        "two posts of one job share a commit",
        f"{SERVICES}.ingest:Ingest._take",
        "post.job_id in taken or len(taken) == GROUP",
        "False",
    ),
    Mutant("a success needs no files", f"{SERVICES}.finalise:Finaliser.finalise", "if problems", "if False"),
    Mutant("rotten files pass", f"{SERVICES}.finalise:Finaliser._problem", "found.sha256 != ref.sha256", "False"),
    Mutant(
        "outages are charged to trainers",
        f"{SERVICES}.sweep:Sweep._credit_outage",
        "await self._store.credit(gap_ms, place)",
        "0",
    ),
    Mutant(
        "silent spools are not read",
        f"{SERVICES}.sweep:Sweep._conclude",
        "await self._replay(attempt, liveness, left)",
        "pass",
    ),
    Mutant(
        "nobody is killed before the relaunch",
        f"{SERVICES}.sweep:Sweep._stop",
        "await self._executors[attempt.executor].stop(handle, timedelta(seconds=grace_seconds))",
        "pass",
    ),
    Mutant("the lost are forgotten", f"{SERVICES}.sweep:Sweep._silence", "attempt.lease_until_ms >= now_ms", "True"),
    Mutant(
        "another order under the same key",
        f"{SERVICES}.receipts:known_order",
        'receipt.body_sha256 not in (body_sha256, "")',
        "False",
    ),
    Mutant("orders are repeated", f"{SERVICES}.receipts:known_order", "return receipt.job_id", "return None"),
    Mutant(
        "news overtakes news",
        f"{SERVICES}.relay:Relay._deliver",
        "cursors.resting.add(name)",
        "cursors.heard[name] = message.version",
    ),
    Mutant("news is ticked off unheard", f"{SERVICES}.relay:_told", "await subscriber.notify(message)", "pass"),
]


@contextmanager
def alive(mutant: Mutant) -> Generator[None]:
    """While the context lasts, the product has this mistake."""
    module_name, _, path = mutant.where.partition(":")
    module = importlib.import_module(module_name)
    owner: Any = module
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    source = textwrap.dedent(inspect.getsource(original))
    assert source.count(mutant.right) == 1, (
        f"{mutant.where} no longer contains {mutant.right!r} once: update the mutant"
    )
    namespace: dict[str, Any] = {}
    exec(
        compile(source.replace(mutant.right, mutant.wrong), f"<mutant: {mutant.name}>", "exec"), vars(module), namespace
    )
    holders = [owner, *(other for other in _product() if getattr(other, name, None) is original)]
    for holder in holders:
        setattr(holder, name, namespace[name])
    try:
        yield
    finally:
        for holder in holders:
            setattr(holder, name, original)


def _product() -> list[Any]:
    """Our loaded modules: a function may have been imported by name."""
    return [module for name, module in sys.modules.items() if name.startswith("eyebright.")]
