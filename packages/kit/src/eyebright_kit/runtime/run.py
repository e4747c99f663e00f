"""The verb `run`: one sealed order, from its file to an exit code."""

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from eyebright_kit.data.local import LocalDataset, dump, load
from eyebright_kit.disk import replace_durably
from eyebright_kit.errors import ConfigInvalid, TrainerFailure
from eyebright_kit.runtime import papers
from eyebright_kit.runtime.attempt import Attempt, Done, attempted
from eyebright_kit.runtime.checkpoints import Checkpoints, restore
from eyebright_kit.runtime.context import Context, Desk, Exporter, Parent, Restored, Result, Stopped, Trainer
from eyebright_kit.runtime.desk import SilentDesk
from eyebright_kit.runtime.failure import exit_code, explained
from eyebright_kit.runtime.folder import RunFolder, read_spec
from eyebright_kit.runtime.opening import Opener
from eyebright_kit.runtime.spool import Spool
from eyebright_kit.runtime.stop import StopReason, StopRequest, listen_to_signals
from eyebright_kit.runtime.transfer import fetch, fetch_model
from eyebright_wire.artifacts import Grant
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import Failed
from eyebright_wire.jobs import JobSpec, Stage
from eyebright_wire.manifest import TrainerManifest

_LOOK_SECONDS = 0.1
#: How long rank 0, done itself, leaves the data set lying for the others.
_OTHERS_SECONDS = 60.0
#: How long rank 0, in trouble itself, waits for another to say what was the matter.
_REASON_SECONDS = 3.0

_log = logging.getLogger("eyebright")


@dataclass(frozen=True)
class Place:
    """Which of how many processes this is, as launchers say it in the environment."""

    rank: int
    world_size: int
    launched: bool

    @classmethod
    def here(cls) -> "Place":
        return cls(
            rank=int(os.environ.get("RANK", "0")),
            world_size=int(os.environ.get("WORLD_SIZE", "1")),
            launched="RANK" in os.environ,
        )


@dataclass(frozen=True)
class Order:
    """What is to be run, by whom, where."""

    spec: JobSpec
    spec_path: Path
    folder: RunFolder
    manifest: TrainerManifest
    load: Callable[[], Trainer]
    place: Place
    stop: StopRequest


def run(manifest: TrainerManifest, load: Callable[[], Trainer], spec_path: Path, into: Path | None = None) -> int:
    """Runs the order in `spec_path` and answers the exit code. With `into`, runs the same order again without telling anybody:
    everything it makes lies below that folder."""
    try:
        path = relocated(spec_path, into) if into else spec_path.absolute()
        order = Order(read_spec(path), path, RunFolder(path.parent), manifest, load, Place.here(), StopRequest())
        if order.place.rank > 0:
            return _follow(order)
        attempt = _open(order)
    except TrainerFailure as error:  # too early for anybody but the log to be told
        _log.error("%s", error)
        return exit_code(error.code)
    code = _lead(order, attempt)
    attempted("write down the exit code", lambda: order.folder.write_exit(code))
    return code


def relocated(spec_path: Path, into: Path) -> Path:
    """Writes the same order for another place: nobody is told, and nothing that the first run made is touched."""
    spec = read_spec(spec_path)
    into = into.absolute()
    into.mkdir(parents=True, exist_ok=True)
    output = Grant(uri=(into / "output").as_uri() + "/")
    copy = spec.model_copy(update={"events_url": None, "token": "", "output": output})
    replace_durably(into / "spec.json", copy.model_dump_json(indent=2).encode())
    return into / "spec.json"


def check_order(spec: JobSpec, manifest: TrainerManifest) -> None:
    """Raises ConfigInvalid when the order is not for this trainer, or for a task or model that it does not know."""
    if spec.trainer != manifest.name:
        raise ConfigInvalid(f"the order is for the trainer {spec.trainer!r}; this is {manifest.name!r}")
    if (task := manifest.task(spec.task)) is None or task.name != spec.task:  # whoever seals an order knows the name
        raise ConfigInvalid(_unknown("task", spec.task, [task.name for task in manifest.tasks]))
    if not task.offers(spec.model):
        raise ConfigInvalid(_unknown("model", spec.model, [model.name for model in task.models]))


def _unknown(what: str, found: str, known: list[str]) -> str:
    near = get_close_matches(found, known, n=1)
    return f"{what} {found!r} is not known; " + (
        f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    )


def _open(order: Order) -> Attempt:
    """Opens the diary of an attempt that has not ended yet, and takes the attempt over."""
    spool = Spool(order.folder.spool)
    if spool.ended:
        spool.close()
        raise ConfigInvalid(
            f"this attempt has ended already, as {order.folder.spool} tells. To run the same order again: "
            f"python -m {order.manifest.module} run {order.spec_path} --into SOME_FOLDER"
        )
    if not order.place.launched:
        order.folder.wipe()
        order.folder.write_process()
    return Attempt(order.spec, order.folder, order.manifest, order.stop, spool)


def _lead(order: Order, attempt: Attempt) -> int:
    listen_to_signals(order.stop)
    attempt.begin()
    try:
        return attempt.end(_work(order, attempt))
    except BaseException as error:
        _wait_for_the_reason(order, error)
        code = attempt.end(error)
        if order.place.world_size > 1:  # so that nobody waits for data that will not come
            gone = Failed(code=ErrorCode.TRAINER_ERROR, message=f"it ended with exit code {code}")
            attempted("tell the other processes", lambda: order.folder.write_failed_rank(0, gone))
        return code


def _work(order: Order, attempt: Attempt) -> Done:
    order.folder.prepare()
    attempt.open_output()
    check_order(order.spec, order.manifest)
    trainer = _trainer(order)
    if order.spec.export is None:
        _relaunch(order, trainer)
    if order.spec.dataset is not None and order.spec.export is None and order.spec.rehearsal is None:
        papers.hand_over(order.spec, order.manifest, attempt.desk, order.folder.staging)
    attempt.desk.stage(Stage.FETCHING)
    data = _data(order, attempt.opening)
    if order.spec.parent:
        reads_only = order.manifest.reads_only
        fetch_model(order.spec.parent, order.folder.parent, reads_only=reads_only, opening=attempt.opening)
    if order.place.world_size > 1:
        replace_durably(order.folder.data_ready, dump(data))
    result = _fit(order, trainer, data, attempt.desk, attempt.restored, attempt.opening)
    attempt.desk.stage(Stage.UPLOADING)
    _let_the_others_finish(order)
    return Done(result, data.classes)


def _trainer(order: Order) -> Trainer:
    """The one that was ordered, or who lets it rehearse."""
    if order.spec.rehearsal is None:
        return order.load()
    from eyebright_kit.runtime.rehearsal.rehearser import Rehearser  # here, because few orders are rehearsed

    return Rehearser(order.manifest)


def _data(order: Order, opening: Opener) -> LocalDataset:
    """Laid out on the local disk; nothing at all for an import, which is to make a data set of something else, and for a
    rehearsal, which chooses for itself."""
    if order.spec.dataset is None or order.spec.rehearsal is not None:
        return LocalDataset(root=order.folder.data, classes=(), splits={})
    reads_only = order.manifest.reads_only
    return fetch(order.spec.dataset, order.folder.data, reads_only=reads_only, opening=opening)


def _relaunch(order: Order, trainer: Trainer) -> None:
    """Becomes the launcher of several processes if the trainer wants that; then this does not return."""
    launcher = None if order.place.launched else trainer.relaunch(order.spec)
    if launcher:
        _leave_if_asked(order)  # what comes after would know nothing of it
        sys.stdout.flush()
        os.execv(launcher[0], [*launcher, "-m", order.manifest.module, "run", str(order.spec_path)])  # noqa: S606


def _fit(
    order: Order, trainer: Trainer, data: LocalDataset, desk: Desk, restored: Restored | None, opening: Opener
) -> Result:
    _leave_if_asked(order)
    context = Context(
        spec=order.spec,
        data=data,
        output=order.folder.staging,
        scratch=order.folder.work,
        log=logging.getLogger("eyebright.trainer"),
        desk=desk,
        stop_reason=lambda: order.stop.reason,
        restored=restored,
        parent=_parent(order),
        opening=opening,
        rank=order.place.rank,
        world_size=order.place.world_size,
    )
    return trainer.fit(context) if order.spec.export is None else _exporter(trainer).export(context)


def _exporter(trainer: Trainer) -> Exporter:
    if not hasattr(trainer, "export"):
        raise ConfigInvalid(f"the trainer {trainer.manifest.name} makes exports only at the end of a training")
    return cast(Exporter, trainer)


def _parent(order: Order) -> Parent | None:
    grant = order.spec.parent
    if grant is None:
        return None
    sha256 = {file.path: file.sha256 for file in grant.files}
    return Parent(grant.id, grant.title, grant.architecture, grant.classes, order.folder.parent, sha256)


def _leave_if_asked(order: Order) -> None:
    if order.stop.reason is not None:
        raise Stopped


def _follow(order: Order) -> int:
    """A rank that says nothing. What it dies of is left as a note for rank 0, which tells it."""
    listen_to_signals(order.stop)
    try:
        trainer = order.load()
        data = _data_of_rank_0(order)
        opening = Opener(order.spec.token, order.folder, order.stop)
        _fit(order, trainer, data, SilentDesk(), _restored(order, opening), opening)
        order.folder.write_left(order.place.rank)
    except BaseException as error:
        if order.stop.reason is not None:
            return ExitCode.PREEMPTED if order.stop.reason is StopReason.PREEMPT else ExitCode.DONE
        _log.error("rank %d failed", order.place.rank, exc_info=error)
        failed = explained(error, order.folder.scratch, config=order.spec.config)
        attempted("tell rank 0", lambda: order.folder.write_failed_rank(order.place.rank, failed))
        return exit_code(failed.code)
    return ExitCode.DONE


def _data_of_rank_0(order: Order) -> LocalDataset:
    while not order.folder.data_ready.exists():
        if order.stop.wait(_LOOK_SECONDS) or order.folder.failed_rank():
            raise Stopped
    return load(order.folder.data_ready.read_bytes())


def _let_the_others_finish(order: Order) -> None:
    """Rank 0 clears the scratch space away, so the others must have left it. One that never does is not waited for long."""
    deadline = time.monotonic() + _OTHERS_SECONDS
    while order.folder.ranks_left() < order.place.world_size - 1 and not order.folder.failed_rank():
        if time.monotonic() > deadline or order.stop.reason is not None:
            _log.warning("only %d other processes have finished", order.folder.ranks_left())
            return
        time.sleep(_LOOK_SECONDS)


def _wait_for_the_reason(order: Order, error: BaseException) -> None:
    """Another rank's end is first felt as a broken connection; a moment later its note says what it died of."""
    if order.place.world_size == 1 or isinstance(error, TrainerFailure | Stopped) or order.stop.reason is not None:
        return
    deadline = time.monotonic() + _REASON_SECONDS
    while not order.folder.knows_reason() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)


def _restored(order: Order, opening: Opener) -> Restored | None:
    """The same verification over the same files as rank 0's, which has brought them, so the same answer."""
    return restore(Checkpoints(opening.output(order.spec.output).folder), order.spec.resume, opening)
