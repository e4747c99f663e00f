"""What a job has said and left so far."""

from dataclasses import dataclass, replace
from pathlib import Path

from eyebright.core.job import Attempt
from eyebright.core.records import Checkpoint
from eyebright.errors import NotFound, Way, model_deleted
from eyebright.ports.jobs import JobHistory, JobStore
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright.ports.registry import ModelStore
from eyebright.services.output import Output, elsewhere
from eyebright.services.views import checkpoint_view, event_view
from eyebright_wire.resources import (
    ArtifactView,
    CheckpointView,
    EventView,
    LogChunk,
    Page,
)

#: Bytes of log in one answer.
LOG_CHUNK = 256 * 1024
#: Where the log of each further attempt begins for who reads all as one: no log is as large, and JavaScript counts so far.
ATTEMPT_SPAN = 1 << 40


@dataclass(frozen=True, slots=True)
class LogLines:
    """Whole lines of a log without their ends; to go on behind the last of them, ask from `next_offset`."""

    lines: tuple[str, ...]
    next_offset: int
    complete: bool  # nothing comes after them


@dataclass(frozen=True, slots=True)
class _Printed:
    """A part of what an attempt printed. `complete`: it ends here, and the attempt has ended. `elsewhere`: where it is to be had,
    if not here."""

    attempt: int
    offset: int
    text: bytes
    complete: bool
    elsewhere: str | None = None


class History:
    def __init__(
        self,
        store: JobStore,
        history: JobHistory,
        models: ModelStore,
        objects: ObjectStore,
        output: Output,
    ) -> None:
        self._store = store
        self._history = history
        self._models = models
        self._objects = objects
        self._output = output

    async def events(self, job_id: str, after: int = 0, limit: int = 200) -> Page[EventView]:
        """Events with position > `after`, over all attempts, in order."""
        await self._store.get(job_id)
        found = await self._history.events(job_id, after, limit + 1)
        page = found[:limit]
        more = str(page[-1].position) if len(found) > limit else None
        return Page[EventView](items=tuple(event_view(event) for event in page), next=more)

    async def checkpoints(self, job_id: str) -> tuple[CheckpointView, ...]:
        """Those that are still there, newest first: a trainer keeps the best one and the newest few.

        Each was marked that was the best when it was saved; only the newest of them is that still.
        """
        await self._store.get(job_id)
        found = await self._history.checkpoints(job_id)
        kept = [checkpoint for checkpoint in found if await self._is_kept(job_id, checkpoint)]
        best = next((checkpoint for checkpoint in kept if checkpoint.best), None)
        return tuple(checkpoint_view(replace(checkpoint, best=checkpoint is best)) for checkpoint in kept)

    async def checkpoint_files(self, job_id: str) -> dict[str, Path]:
        """Local files of the checkpoints that are still there, by their paths in the output of the training."""
        files: dict[str, Path] = {}
        for saved in await self.checkpoints(job_id):
            output = attempt_prefix(job_id, saved.attempt)
            for key in await self._objects.keys(f"{output}{Path(saved.path).parent.as_posix()}/"):
                files[key.removeprefix(output)] = await self._objects.local(key)
        return files

    async def artifacts(self, job_id: str) -> tuple[ArtifactView, ...]:
        """The verified files of the attempt that succeeded; none when its model was deleted."""
        await self._store.get(job_id)
        found = await self._history.artifacts(job_id)
        return tuple(ArtifactView(**artifact.ref.model_dump(), attempt=artifact.attempt) for artifact in found)

    async def artifact(self, job_id: str, path: str) -> Path:
        """A local file with that artifact's bytes. Raises NotFound for whatever is not registered, or not any more."""
        for artifact in await self._history.artifacts(job_id):
            if artifact.ref.path == path:
                return await self._objects.local(attempt_prefix(job_id, artifact.attempt) + path)
        await self._require_model(job_id)
        raise NotFound(f"job {job_id} has no artifact {path!r}", way=Way.ARTIFACTS, about={"job": job_id})

    async def logs(self, job_id: str, offset: int = 0, attempt: int | None = None) -> LogChunk:
        """What an attempt (default: the newest) printed from byte `offset` on."""
        said = await self._printed(job_id, offset, attempt)
        return LogChunk(
            attempt=said.attempt,
            offset=said.offset,
            next_offset=said.offset + len(said.text),
            text=said.text.decode("utf-8", "replace"),
            complete=said.complete,
            elsewhere=said.elsewhere,
        )

    async def lines(self, job_id: str, offset: int, skip: int, most: int) -> LogLines:
        """What all attempts printed, one after the other, from `offset` on: in whole lines and without the first `skip`.

        `offset` is a byte of the first attempt's log, or a `next_offset`: who follows misses no line of the next attempt.
        """
        job = (await self._store.get(job_id)).job
        passed, byte = divmod(offset, ATTEMPT_SPAN)
        if passed >= job.attempt:
            return LogLines((), offset, complete=job.state.final)
        told = await self._lines_of(job_id, passed + 1, byte, skip + most)
        lines = told.lines
        while told.complete and passed + 1 < job.attempt and len(lines) < skip + most:
            passed += 1
            told = await self._lines_of(job_id, passed + 1, 0, skip + most - len(lines))
            lines += told.lines
        last = passed + 1 == job.attempt and job.state.final
        return LogLines(lines[skip:], passed * ATTEMPT_SPAN + told.next_offset, complete=told.complete and last)

    async def _lines_of(self, job_id: str, attempt: int, offset: int, most: int) -> LogLines:
        """The next whole lines of one attempt."""
        text, said = b"", await self._printed(job_id, offset, attempt)
        while said.text:
            text += said.text
            if text.count(b"\n") >= most:
                break
            said = await self._printed(job_id, offset + len(text), attempt)
        lines = text.splitlines(keepends=True)
        if lines and not said.complete and not lines[-1].endswith(b"\n"):
            lines.pop()  # it is being printed
        told = lines[:most]
        return LogLines(
            lines=tuple(line.decode("utf-8", "replace").rstrip("\r\n") for line in told),
            next_offset=offset + sum(map(len, told)),
            complete=said.complete and len(told) == len(lines),
        )

    async def _printed(self, job_id: str, offset: int, attempt: int | None = None) -> _Printed:
        run = await self._store.get(job_id)
        number = run.job.attempt if attempt is None else attempt
        known = {found.number: found for found in await self._history.attempts(job_id)}
        if number not in known:
            if attempt is None:
                return _Printed(attempt=0, offset=0, text=b"", complete=run.job.state.final)
            raise NotFound(f"job {job_id} has no attempt {attempt}; it has had {run.job.attempt}")
        ended = known[number].gone_at_ms is not None  # asked first: what it prints meanwhile must not be missed
        try:
            read = await self._read(known[number], offset)
        except NotFound:
            return _Printed(attempt=number, offset=offset, text=b"", complete=ended, elsewhere=elsewhere(known[number]))
        more = len(read) == LOG_CHUNK
        text = _whole_characters(read) if more or not ended else read
        return _Printed(attempt=number, offset=offset, text=text, complete=ended and not more)

    async def _require_model(self, job_id: str) -> None:
        """Raises NotFound when the job's model was deleted: that is why nothing is there."""
        model_id = (await self._store.get(job_id)).job.model_id
        model = await self._models.get(model_id) if model_id else None
        if model and model.deleted_at_ms is not None:
            raise model_deleted(model.id, model.title, model.deleted_at_ms)

    async def _is_kept(self, job_id: str, checkpoint: Checkpoint) -> bool:
        """Its manifest is written last and removed first."""
        try:
            await self._objects.stat(attempt_prefix(job_id, checkpoint.attempt) + checkpoint.manifest.path)
        except NotFound:
            return False
        return True

    async def _read(self, attempt: Attempt, offset: int) -> bytes:
        text = b""
        async for chunk in self._output.read(attempt, offset):
            text += chunk
            if len(text) >= LOG_CHUNK:
                break
        return text[:LOG_CHUNK]


def _whole_characters(text: bytes) -> bytes:
    """Cut off a UTF-8 character that the end splits, so that the next chunk begins with it."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        if byte < 0x80:
            return text
        if byte >= 0xC0:  # the first byte of a character
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return text if back >= length else text[:-back]
    return text
