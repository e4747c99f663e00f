"""What one run of a trainer left behind, and the promises that every trainer keeps: used by `check` and by the test suite."""

import base64
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from eyebright_kit.data.annotations import IGNORED
from eyebright_kit.disk import sha256_of
from eyebright_kit.offline import Offline
from eyebright_kit.runtime.faulty import Move, moves_of
from eyebright_kit.runtime.folder import RunFolder
from eyebright_kit.runtime.papers import CONFIG, LICENCE
from eyebright_kit.runtime.place import local_folder
from eyebright_kit.runtime.spool import events_in
from eyebright_kit.runtime.tinyset import TinySet
from eyebright_wire.answers import PredictionAnswer
from eyebright_wire.artifacts import ArtifactRef
from eyebright_wire.errors import ExitCode
from eyebright_wire.events import (
    ArtifactSaved,
    CheckpointSaved,
    Event,
    EventKind,
    Failed,
    Heartbeat,
    Progress,
    StageChange,
    Succeeded,
)
from eyebright_wire.jobs import JobSpec, Stage
from eyebright_wire.manifest import TaskInfo
from eyebright_wire.predictions import ClassMask, ClassScore, FoundObject

#: Installed into each Python of a run before anything else runs: it knows the names that are looked up, and works on any system.
#: What is written in another language is heard of by `Offline`, where there is Linux.
_GUARD = """
import ipaddress, os, sys

PLACES = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0,
          "socket.gethostbyaddr": 0, "socket.getnameinfo": 0}

def _outside(host):
    if isinstance(host, (bytes, bytearray)):
        host = host.decode(errors="replace")
    if not isinstance(host, str) or host in ("", "localhost", os.uname().nodename):
        return False
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True
    return not (getattr(address, "ipv4_mapped", None) or address).is_loopback and not address.is_unspecified

def _guard(event, arguments):
    if event not in PLACES:
        return
    address = arguments[PLACES[event]]
    if _outside(address[0] if isinstance(address, tuple) else address if PLACES[event] == 0 else None):
        with open(os.environ["EYEBRIGHT_NETWORK_NOTES"], "a") as notes:
            notes.write(f"{event} {address}\\n")
        raise OSError(101, f"the network is closed in this run: {address}")

sys.addaudithook(_guard)
"""


_LOOK_SECONDS = 0.005


@dataclass(frozen=True)
class Trace:
    """One attempt, read back from its run folder and its output."""

    folder: Path
    exit_code: int
    log: str = ""
    network: tuple[str, ...] = ()

    @property
    def spec(self) -> JobSpec:
        return JobSpec.model_validate_json((self.folder / "spec.json").read_bytes())

    @property
    def events(self) -> tuple[Event, ...]:
        return events_in(self.folder / "spool.jsonl")

    @property
    def output(self) -> Path:
        return Path(self.spec.output.uri.removeprefix("file://"))

    def of(self, kind: EventKind) -> Iterator[dict[str, Any]]:
        return (event.data for event in self.events if event.kind == kind)

    @property
    def checkpoints(self) -> tuple[CheckpointSaved, ...]:
        return tuple(CheckpointSaved.model_validate(data) for data in self.of(EventKind.CHECKPOINT))

    @property
    def artifacts(self) -> tuple[ArtifactRef, ...]:
        return tuple(ArtifactSaved.model_validate(data).artifact for data in self.of(EventKind.ARTIFACT))

    @property
    def failed(self) -> Failed:
        return Failed.model_validate(self._last(EventKind.FAILED))

    @property
    def succeeded(self) -> Succeeded:
        return Succeeded.model_validate(self._last(EventKind.SUCCEEDED))

    def summary(self) -> str:
        kinds = " ".join(event.kind for event in self.events)
        return f"exit code {self.exit_code}; events: {kinds}; log:\n{self.log[-3000:]}"

    def _last(self, kind: EventKind) -> dict[str, Any]:
        last = self.events[-1] if self.events else None
        if last is None or last.kind != kind:
            raise AssertionError(f"expected `{kind}` as the last word: {self.summary()}")
        return last.data


class Process(Protocol):
    """What is asked of a child: `subprocess.Popen` in short."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...
    def send_signal(self, sig: int) -> None: ...


@dataclass(frozen=True)
class Program:
    """`python -m` and these arguments, to be started in a session of its own, under watch from its first step."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    guard: Path  # a script that each Python of it runs before anything else
    offline: Offline
    cwd: Path | None = None


def cold(program: Program) -> Process:
    """As an executor starts it."""
    with program.log.open("wb") as log:
        return subprocess.Popen(
            program.offline.command([sys.executable, "-m", *program.arguments]),
            stdout=log,
            stderr=subprocess.STDOUT,
            env=program.environment,
            cwd=program.cwd,
            pass_fds=program.offline.kept_open,
            start_new_session=True,
        )


class TracedRun:
    """A child process that runs one attempt with the network closed, and meets with a fault if one is named."""

    def __init__(
        self,
        module: str,
        spec: Path,
        fault: str = "",
        home: Path | None = None,
        start: Callable[[Program], Process] = cold,
    ) -> None:
        """With `home`, that is where it stands, and its home and temporary folder are made there."""
        self.folder = spec.parent
        self._notes = self.folder / "network.txt"
        offline = Offline(self._note)
        guard = _guard_in(self.folder)
        program = Program(
            arguments=(*(["eyebright_kit.runtime.faulty", fault] if fault else []), module, "run", str(spec)),
            environment={**os.environ, **_guarded(guard, self._notes), **(_at_home(home) if home else {})},
            log=self.folder / "log.txt",
            guard=guard,
            offline=offline,
            cwd=home,
        )
        self.process = start(program)
        offline.begin()

    def _note(self, attempt: str) -> None:
        with self._notes.open("a") as notes:
            notes.write(f"{attempt}\n")

    def wait_for(self, kind: EventKind, timeout_seconds: float) -> None:
        """Waits until it has said something of this kind. Raises AssertionError when it ends or time is up before."""
        spool = self.folder / "spool.jsonl"
        self._wait(
            lambda: any(event.kind == kind for event in events_in(spool)), f"a word of `{kind}`", timeout_seconds
        )

    def until_fault(self, timeout_seconds: float) -> tuple[Move, ...]:
        """Waits until it meets with its fault; what it said until then. Raises AssertionError as `wait_for` does."""
        self._wait(lambda: any(move.fault for move in moves_of(self.folder)), "its fault", timeout_seconds)
        return tuple(move for move in moves_of(self.folder) if not move.fault)

    def beats(self, count: int, timeout_seconds: float = 30.0) -> tuple[Heartbeat, ...]:
        """Its next so many signs of life. Raises AssertionError as `wait_for` does."""
        heard: dict[int, Heartbeat] = {}

        def enough() -> bool:
            if (file := RunFolder(self.folder).heartbeat).exists():
                beat = Heartbeat.model_validate_json(file.read_bytes())
                heard[beat.at_ms] = beat
            return len(heard) >= count

        self._wait(enough, f"{count} signs of life", timeout_seconds)
        return tuple(heard.values())

    def _wait(self, come: Callable[[], bool], what: str, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not come():
            _expect(self.process.poll() is None, f"it ended before {what} came; its log is in {self.folder}")
            _expect(time.monotonic() < deadline, f"{what} did not come within {timeout_seconds:.0f} s")
            time.sleep(_LOOK_SECONDS)

    def wait(self, timeout_seconds: float) -> Trace:
        """Waits for the end. Raises subprocess.TimeoutExpired, with the child killed, when it does not come."""
        try:
            code = self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        notes = self._notes.read_text().splitlines() if self._notes.exists() else []
        return Trace(self.folder, code, (self.folder / "log.txt").read_text(errors="replace"), tuple(notes))


def traced(
    module: str,
    spec: Path,
    timeout_seconds: float = 300.0,
    fault: str = "",
    home: Path | None = None,
    start: Callable[[Program], Process] = cold,
) -> Trace:
    """Runs `python -m module run spec` with the network closed and answers what it left."""
    return TracedRun(module, spec, fault, home, start).wait(timeout_seconds)


def tells_its_story_in_order(trace: Trace) -> None:
    kinds = [event.kind for event in trace.events]
    _expect(trace.exit_code == ExitCode.DONE, f"expected exit code 0: {trace.summary()}")
    _expect([event.seq for event in trace.events] == list(range(1, len(kinds) + 1)), "the events' numbers have holes")
    _expect(
        kinds[0] == EventKind.STARTED and kinds[-1] == EventKind.SUCCEEDED, f"expected started … succeeded: {kinds}"
    )
    stages = [StageChange.model_validate(data).stage for data in trace.of(EventKind.STAGE)]
    _expect(stages == sorted(stages, key=list(Stage).index), f"the stages go backwards: {stages}")
    _expect(Stage.TRAINING in stages, f"the stage `training` was never told: {stages}")


def reports_each_epoch(trace: Trace) -> None:
    told = [Progress.model_validate(data) for data in trace.of(EventKind.PROGRESS)]
    finished = [progress.epoch for progress in told if progress.epoch_finished]
    epochs = told[-1].epochs if told else 0
    _expect(bool(told) and finished == list(range(1, epochs + 1)), f"finished epochs {finished}, expected 1…{epochs}")


def artifacts_are_true(trace: Trace) -> None:
    promised = trace.succeeded.artifacts
    _expect(bool(promised), "a run that succeeded must leave at least one artifact")
    for artifact in promised:
        path = trace.output / artifact.path
        _expect(path.stat().st_size == artifact.size_bytes, f"{path} has another size than was told")
        _expect(sha256_of(path) == artifact.sha256, f"{path} has another sha256 than was told")


def hands_over_its_papers(trace: Trace) -> None:
    made = {artifact.path for artifact in trace.succeeded.artifacts}
    _expect({CONFIG, LICENCE} <= made, f"expected {CONFIG} and {LICENCE} among its artifacts: {sorted(made)}")
    missing = trace.spec.config.keys() - json.loads((trace.output / CONFIG).read_text(encoding="utf-8")).keys()
    _expect(not missing, f"{CONFIG} lacks the settings {sorted(missing)}")


def stays_offline(trace: Trace) -> None:
    _expect(not trace.network, f"tried to reach the network: {', '.join(trace.network)}")


def leaves_the_images_alone(trace: Trace) -> None:
    """Whoever `reads_only` is given links to them."""
    assert trace.spec.dataset is not None
    blobs = local_folder(trace.spec.dataset.blobs)
    changed = [path for path in blobs.glob("??/*") if sha256_of(path) != path.name]
    _expect(not changed, f"wrote into stored images, though its manifest says `reads_only`: {changed[:3]}")


def answers(module: str, task: TaskInfo, trace: Trace, data: TinySet) -> None:
    """Asks it about a picture like those that it was trained on. A task whose models answer nothing refuses, and says why."""
    image = trace.folder / "picture.png"
    picture = data.picture()
    picture.save(image)
    done = run_verb(module, "predict", str(trace.output), str(image))
    if not task.predicts:
        refused = done.returncode == ExitCode.BAD_CONFIG and bool(done.stderr.strip()) and not done.stdout
        _expect(refused, f"expected predict to be refused, it ended with {done.returncode}: {done.stderr[-2000:]}")
        return
    _expect(done.returncode == 0, f"predict ended with {done.returncode}: {done.stderr[-2000:]}")
    answer = PredictionAnswer.model_validate_json(done.stdout)
    if data.is_painted:
        mask_fits(picture.size, answer.mask, data.classes)
    elif data.shows_objects:
        _objects_lie_in(picture.size, answer.objects, data.classes)
    else:
        _scores_each(answer.scores, data.classes)


def _objects_lie_in(size: tuple[int, int], objects: tuple[FoundObject, ...], classes: tuple[str, ...]) -> None:
    """There may be none: the tiniest run learns next to nothing."""
    width, height = size
    for found in objects:
        left, top, right, bottom = found.box
        _expect(found.label in classes, f"found {found.label!r}, expected one of {classes}")
        inside = 0 <= left <= right <= width and 0 <= top <= bottom <= height
        _expect(inside, f"the box {found.box} does not lie in the image of {width}×{height}")
    _best_first([found.score for found in objects])


def mask_fits(size: tuple[int, int], mask: ClassMask | None, classes: tuple[str, ...]) -> None:
    """A PNG as large as the image, in which the classes have the areas that were told."""
    if mask is None:
        raise AssertionError("expected a mask")
    painted = Image.open(BytesIO(base64.b64decode(mask.png, validate=True)))
    known = f"{painted.format} {painted.mode} of {painted.size}, told {(mask.width, mask.height)}"
    told = painted.format == "PNG" and painted.mode in ("L", "P") and painted.size == (mask.width, mask.height) == size
    _expect(told, f"expected a PNG of 8 bits of {size}, got {known}")
    counts = {value: count for value, count in enumerate(painted.histogram()) if count and value != IGNORED}
    areas = {area.index: area for area in mask.areas}
    _expect(areas.keys() == counts.keys(), f"the areas {sorted(areas)} are not the values of the mask {sorted(counts)}")
    for value, area in areas.items():
        _expect(area.label == classes[value], f"{area} is class {classes[value]}")
        _expect(
            abs(area.share - counts[value] / math.prod(size)) < 1e-3, f"{area} has {counts[value]} pixels of {size}"
        )
    _best_first([area.share for area in mask.areas])


def _scores_each(scores: tuple[ClassScore, ...], classes: tuple[str, ...]) -> None:
    labels = {score.label for score in scores}
    _expect(labels == set(classes), f"expected a score for each of {classes}, got {scores}")
    values = [score.score for score in scores]
    _best_first(values)
    _expect(abs(sum(values) - 1) < 1e-3, f"the scores must sum to 1: {values}")


def _best_first(scores: list[float]) -> None:
    _expect(scores == sorted(scores, reverse=True), f"the best score must come first: {scores}")


def run_verb(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `python -m module …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def _guard_in(folder: Path) -> Path:
    guard = folder / "guard" / "sitecustomize.py"
    guard.parent.mkdir(exist_ok=True)
    guard.write_text(_GUARD)
    return guard


def _guarded(guard: Path, notes: Path) -> dict[str, str]:
    """The environment that makes a child install the guard: Python imports `sitecustomize` before anything else."""
    path = os.pathsep.join(filter(None, [str(guard.parent), os.environ.get("PYTHONPATH", "")]))
    return {"PYTHONPATH": path, "EYEBRIGHT_NETWORK_NOTES": str(notes), "PYTHONUNBUFFERED": "1"}


def _at_home(home: Path) -> dict[str, str]:
    """matplotlib's list of this machine's fonts stays where it is: it takes seconds to make, and is of nobody's making."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    fonts = os.environ.get("MPLCONFIGDIR") or str(Path.home() / ".cache" / "matplotlib")
    return {"HOME": str(home), "TMPDIR": str(temporary), "MPLCONFIGDIR": fonts}


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
