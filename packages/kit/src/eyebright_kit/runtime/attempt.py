"""One attempt as its process lives it: it opens its books, says `started`, works, says its last words and closes the books."""

import logging
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from eyebright_kit.errors import ConfigInvalid, DatasetInvalid, StorageUnavailable, TrainerFailure
from eyebright_kit.runtime.checkpoints import KEEP, Checkpoints, restore
from eyebright_kit.runtime.context import Restored, Result, Stopped
from eyebright_kit.runtime.desk import FrontDesk
from eyebright_kit.runtime.failure import exit_code, explained
from eyebright_kit.runtime.folder import RunFolder
from eyebright_kit.runtime.heartbeat import HeartbeatThread, Pulse
from eyebright_kit.runtime.narrator import narrate
from eyebright_kit.runtime.opening import Opener
from eyebright_kit.runtime.peak import peak_memory_bytes
from eyebright_kit.runtime.place import Place
from eyebright_kit.runtime.reporter import Reporter, finite
from eyebright_kit.runtime.sender import Sender
from eyebright_kit.runtime.spool import Spool
from eyebright_kit.runtime.stop import StopReason, StopRequest
from eyebright_kit.runtime.uplink import Uplink
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import Cancelled, Event, EventKind, Failed, Preempted, Started, Succeeded
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.model import WireModel

#: How long the end of a run waits for the control plane to hear the rest. Later it reads the spool by itself.
FLUSH_SECONDS = 10.0

_log = logging.getLogger("eyebright")


@dataclass(frozen=True)
class Done:
    """`fit` came back by itself."""

    result: Result
    classes: tuple[str, ...]


@dataclass(frozen=True)
class LastWords:
    kind: EventKind
    body: WireModel
    exit_code: int


class Attempt:
    """The reporting half of rank 0. `begin`, then work with `desk` and `restored`, then `end`."""

    def __init__(
        self, spec: JobSpec, folder: RunFolder, manifest: TrainerManifest, stop: StopRequest, spool: Spool
    ) -> None:
        self._spec = spec
        self._folder = folder
        self._manifest = manifest
        self._stop = stop
        self._spool = spool
        self._pulse = Pulse()
        self.opening = Opener(spec.token, folder, stop, self._pulse.mark)
        self._sender = Sender(spool, Uplink(spec.events_url, spec.token), stop) if spec.events_url else None
        self._reporter = Reporter(spool, self._spooled)
        self._heartbeat = HeartbeatThread(
            self._pulse,
            folder.heartbeat,
            Uplink(spec.events_url, spec.token) if spec.events_url else None,
            stop,
            spec.heartbeat_seconds,
            before=self._reporter.tell_held,
        )
        self._checkpoints: Checkpoints | None = None
        self._desk: FrontDesk | None = None
        self._output: Place | None = None  # once it is known to be there
        self.restored: Restored | None = None

    @property
    def desk(self) -> FrontDesk:
        if self._desk is None:
            raise AssertionError("open_output comes first")
        return self._desk

    def begin(self) -> None:
        """Signs of life begin. `open_output` comes next; what it raises is then reported like any other failure."""
        if self._sender is not None:
            self._sender.start()
        self._heartbeat.start()

    def open_output(self) -> None:
        """Finds the checkpoint to go on from, and says `started`."""
        output = self.opening.output(self._spec.output)
        try:
            output.folder.mkdir(parents=True, exist_ok=True)
            self._checkpoints = Checkpoints(output.folder, _keep(self._spec))
            self._checkpoints.remove_leftovers()
        except OSError as error:
            raise StorageUnavailable(f"cannot write the output folder {output.folder}: {error}") from error
        self._output = output
        self._desk = FrontDesk(self._reporter, self._checkpoints, self._pulse, self._stop, self._folder.staging, output)
        self.restored = restore(self._checkpoints, self._spec.resume, self.opening)
        if self._spool.last_seq == 0:  # the process behind a launcher goes on with the story that the first one began
            self._reporter.say(EventKind.STARTED, self._started())

    def end(self, outcome: Done | BaseException) -> int:
        """Says the last words, sees that they are heard or at least kept, and answers the exit code."""
        if self._desk is not None:
            attempted("deliver the last checkpoint", self._desk.settle)
        self._heartbeat.end()
        words = self._last_words(outcome)
        if isinstance(outcome, BaseException) and _leaves_questions(outcome):
            _log.error("the run ended in an exception", exc_info=outcome)
        if words is None:
            _log.warning("another attempt has taken over; this one ends without a word")
        else:
            self._reporter.say(words.kind, words.body)
        self._close()
        return words.exit_code if words else ExitCode.DONE

    def _spooled(self, event: Event) -> None:
        narrate(event)
        if self._sender is not None:
            self._sender.nudge()

    def _started(self) -> Started:
        return Started(
            pid=os.getpid(),
            host=os.uname().nodename,
            resumed_from_step=self.restored.step if self.restored else None,
            versions={
                "python": platform.python_version(),
                "eyebright-kit": version("eyebright-kit"),
                self._manifest.name: self._manifest.version,
            },
            resources=self._spec.resources,
        )

    def _last_words(self, outcome: Done | BaseException) -> LastWords | None:
        if self._stop.reason is StopReason.FENCED:
            return None
        if isinstance(outcome, Done):
            return self._success(outcome)
        if dead := self._folder.failed_rank():
            # A launcher that lost one rank sends SIGTERM to the others: that is no pre-emption.
            return _failure(self._first_cause(outcome, dead))
        match self._stop.reason:
            case StopReason.CANCEL:
                return LastWords(EventKind.CANCELLED, Cancelled(step=self._last_step()), ExitCode.DONE)
            case StopReason.PREEMPT:
                # Even when it is an exception: whoever sent the signal sent it to the data workers as well, and their
                # death is what the trainer stumbled over.
                return LastWords(EventKind.PREEMPTED, Preempted(step=self._last_step()), ExitCode.PREEMPTED)
            case _:
                return _failure(self._explained(outcome))

    def _first_cause(self, outcome: BaseException, dead: Failed) -> Failed:
        """Rank 0's own failure, if it knows the reason; else it only stumbled over the absence of the other."""
        own = self._explained(outcome)
        if own.code is not ErrorCode.TRAINER_ERROR:
            return own
        return dead.model_copy(update={"message": f"another process of this run failed: {dead.message}"})

    def _explained(self, outcome: BaseException) -> Failed:
        if isinstance(outcome, Stopped):
            return _unasked(outcome)
        folders = (self._folder.scratch, *([self._output.folder] if self._output else []))
        return explained(outcome, *folders, config=self._spec.config)

    def _success(self, done: Done) -> LastWords:
        body = Succeeded(
            artifacts=self.desk.artifacts,
            metrics=finite(done.result.metrics),
            classes=done.classes,
            exports=done.result.exports,
            dataset=done.result.dataset,
            peak_memory_bytes=self._peak_memory_bytes(done.result),
            peak_device_bytes=done.result.peak_device_bytes,
            checkpoint_bytes=done.result.checkpoint_bytes or (self._checkpoints and self._checkpoints.largest_bytes),
        )
        return LastWords(EventKind.SUCCEEDED, body, ExitCode.DONE)

    def _peak_memory_bytes(self, result: Result) -> int | None:
        """This process's own counts unless it only rehearses: then others do what takes memory."""
        own = None if self._spec.rehearsal else peak_memory_bytes()
        return result.peak_memory_bytes or own

    def _last_step(self) -> int | None:
        """Of the checkpoint that another attempt would go on from."""
        own = self._desk.last_step if self._desk else None
        return own if own is not None or self.restored is None else self.restored.step

    def _close(self) -> None:
        self._folder.clean()  # first: on a full disk this is what makes room for the rest
        self._spool.flush()
        attempted("leave the spool in the output", self._push_spool)
        if self._sender is not None and not self._sender.close(FLUSH_SECONDS):
            _log.warning(
                "the control plane has not heard everything yet; it reads the rest from %s itself", self._folder.spool
            )
        self._spool.close()

    def _push_spool(self) -> None:
        (self._output or self.opening.output(self._spec.output)).leave(self._folder.spool)


def attempted(what: str, act: Callable[[], object]) -> None:
    """The end goes on whatever happens: the exit code and the last words matter more than any one of its parts."""
    try:
        act()
    except Exception as error:
        _log.warning("could not %s: %s", what, error)


def _keep(spec: JobSpec) -> int:
    if spec.rehearsal is not None:  # saves none itself; what it rehearses answers for its settings
        return KEEP
    keep = spec.config.get("keep_checkpoints", KEEP)
    if not isinstance(keep, int) or isinstance(keep, bool) or keep < 1:
        raise ConfigInvalid(f"keep_checkpoints is {keep!r}; expected a whole number of 1 or more")
    return keep


def _failure(failed: Failed) -> LastWords:
    return LastWords(EventKind.FAILED, failed, exit_code(failed.code))


def _leaves_questions(outcome: BaseException) -> bool:
    """A failure that the trainer itself raised has said it all, unless something else was behind it. Of a refusal even then: it
    is about the order. Either way the event carries the traceback."""
    if isinstance(outcome, Stopped | ConfigInvalid | DatasetInvalid):
        return False
    return not isinstance(outcome, TrainerFailure) or outcome.__cause__ is not None


def _unasked(stopped: Stopped) -> Failed:
    return Failed(
        code=ErrorCode.TRAINER_ERROR, message=f"the trainer stopped although nobody asked it to. {stopped}".rstrip()
    )
