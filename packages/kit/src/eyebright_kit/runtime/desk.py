"""Where a context's words and files go: `FrontDesk` for rank 0, `SilentDesk` for every other rank."""

from collections.abc import Callable, Mapping
from pathlib import Path

from eyebright_kit.runtime.checkpoints import Checkpoints
from eyebright_kit.runtime.heartbeat import Pulse
from eyebright_kit.runtime.place import Place
from eyebright_kit.runtime.reporter import Reporter
from eyebright_kit.runtime.stop import StopReason, StopRequest
from eyebright_kit.runtime.transfer import nothing, push
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef
from eyebright_wire.events import ArtifactSaved, CheckpointSaved, EventKind, Progress, StageChange
from eyebright_wire.jobs import Stage


class FrontDesk:
    """Reports and saves. Everything that passes it also marks that training moves."""

    def __init__(
        self,
        reporter: Reporter,
        checkpoints: Checkpoints,
        pulse: Pulse,
        stop: StopRequest,
        staging: Path,
        output: Place,
    ) -> None:
        self._reporter = reporter
        self._checkpoints = checkpoints
        self._pulse = pulse
        self.stop = stop
        self._staging = staging
        self._output = output
        self._stage: Stage | None = None
        self._artifacts: dict[str, ArtifactRef] = {}
        self.last_step = checkpoints.last_step  # of the newest checkpoint that was told

    @property
    def artifacts(self) -> tuple[ArtifactRef, ...]:
        """What was pushed; of a path that was pushed twice, the second."""
        return tuple(self._artifacts.values())

    def stage(self, stage: Stage) -> None:
        self._pulse.mark()
        if stage is not self._stage:
            self._stage = stage
            self._reporter.say(EventKind.STAGE, StageChange(stage=stage))

    def progress(self, progress: Progress) -> None:
        self._pulse.mark(progress.step)
        self._reporter.progress(progress)

    def moved(self, step: int | None) -> None:
        self._pulse.mark(step)

    def artifact(self, path: str, kind: ArtifactKind, media_type: str) -> ArtifactRef:
        ref = push(self._staging, self._output, path, kind, media_type)
        self._artifacts[path] = ref
        self._reporter.say(EventKind.ARTIFACT, ArtifactSaved(artifact=ref))
        self._pulse.mark()
        return ref

    def checkpoint(
        self, write: Callable[[Path], None], *, epoch: int, step: int, metrics: Mapping[str, float], best: bool
    ) -> None:
        if self.stop.reason is StopReason.FENCED:
            return  # nobody will ever resume from it
        self._pulse.mark(step)
        saved = self._checkpoints.save(write, epoch=epoch, step=step, metrics=metrics, best=best)
        self._output.deliver(self._checkpoints.contents(saved), saved.manifest, lambda: self._tell(saved))
        self._pulse.mark(step)

    def settle(self) -> None:
        """Waits until the last checkpoint lies where it belongs, or is given up."""
        self._output.settle()

    def _tell(self, saved: CheckpointSaved) -> None:
        self._reporter.say(EventKind.CHECKPOINT, saved)
        self.last_step = saved.step
        if gone := self._checkpoints.retire():
            self._output.remove(gone)


class SilentDesk:
    """Takes everything and does nothing: rank 0 speaks for all."""

    def stage(self, stage: Stage) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def moved(self, step: int | None) -> None: ...

    def artifact(self, path: str, kind: ArtifactKind, media_type: str) -> ArtifactRef:
        return nothing(path, kind, media_type)

    def checkpoint(
        self, write: Callable[[Path], None], *, epoch: int, step: int, metrics: Mapping[str, float], best: bool
    ) -> None: ...
