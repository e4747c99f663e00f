"""Believe a trainer's `succeeded` only after having looked at every object it names; then register the model or version."""

from collections import Counter
from collections.abc import Callable

import structlog

from eyebright.core import lifecycle
from eyebright.core.job import Attempt, Run
from eyebright.core.records import Artifact, Change, Exported, Model, Version, changed
from eyebright.core.retry import RetryLimits
from eyebright.errors import (
    Conflict,
    DatasetInvalid,
    EyebrightError,
    InvalidRequest,
    NotFound,
    StorageFull,
    Unavailable,
)
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobStore
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright.services.adoption import Adoption
from eyebright.services.announce import Announcer
from eyebright.services.export_files import ExportFiles
from eyebright.services.registering import Registering
from eyebright.services.removal import require
from eyebright_wire.artifacts import ArtifactRef
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import PreparedDataset, Succeeded
from eyebright_wire.jobs import JobKind, JobState

log = structlog.stdlib.get_logger(__name__)

#: So long after the trainer's last word a store may be unreadable before its results count as lost.
PATIENCE_SECONDS = 600.0


class Finaliser:
    def __init__(
        self,
        store: JobStore,
        objects: ObjectStore,
        registering: Registering,
        exports: ExportFiles,
        adoption: Adoption,
        clock: Clock,
        announcer: Announcer,
        *,
        limits: RetryLimits,
    ) -> None:
        self._store = store
        self._objects = objects
        self._registering = registering
        self._exports = exports
        self._adoption = adoption
        self._clock = clock
        self._announcer = announcer
        self._limits = limits

    async def finalise(self, run: Run) -> None:
        """running → succeeded with the attempt's own artifacts and its model or version, or an end with `storage_error`.

        Objects are read outside the transaction; if the attempt was fenced meanwhile, nothing is written.
        """
        assert run.attempt is not None
        claim = run.attempt.claim
        assert claim is not None
        problems = await self._problems(run.attempt, claim)
        if not problems and run.job.kind is JobKind.IMPORT:
            await self._keep(run.attempt, claim)
        if problems:
            await self._commit(run, lambda now: self._failure(now, problems))
        elif claim.dataset is not None:
            await self._import(run, claim.dataset)
        elif run.job.kind is JobKind.EXPORT:
            await self._export(run, claim)
        elif claim.checkpoint is not None and run.job.kind is JobKind.TRAINING:
            await self._adopt(run, run.attempt, claim.checkpoint)
        else:
            await self._commit(run, self._success)

    async def _keep(self, attempt: Attempt, claim: Succeeded) -> None:
        """What an import names lies in its workplace; it is asked for long after that is cleared."""
        keys = [attempt_prefix(attempt.job_id, attempt.number) + ref.path for ref in claim.artifacts]
        await self._objects.put([(key, await self._objects.local(key)) for key in keys], owned=True)

    async def _import(self, run: Run, prepared: PreparedDataset) -> None:
        """The version's files are stored before the commit that names them, and only if that comes do they stay."""
        try:
            async with self._registering.registered(run, prepared) as (version, removals):
                await self._commit(run, lambda now: self._success(now, version), removals)
        except (DatasetInvalid, Conflict, NotFound, StorageFull) as error:
            code = ErrorCode.DISK_FULL if isinstance(error, StorageFull) else ErrorCode.DATASET_INVALID
            message = error.message
            await self._commit(run, lambda now: self._end(now, code, message))

    async def _export(self, run: Run, claim: Succeeded) -> None:
        """The files are put beside the model's own before the commit that names them; what the attempt left goes afterwards."""
        try:
            exported = await self._exports.placed(run, claim)
            await self._commit(run, lambda now: self._success(now, exported=exported))
        except (Conflict, NotFound, StorageFull) as error:
            code = ErrorCode.DISK_FULL if isinstance(error, StorageFull) else ErrorCode.EXPORT_FAILED
            message = error.message
            await self._commit(run, lambda now: self._end(now, code, message))
        await self._exports.tidy(run)

    async def _adopt(self, run: Run, attempt: Attempt, address: str) -> None:
        """To train again brings nothing where the rules forbid the address, or nothing lies there."""
        try:
            adopted = await self._adoption.adopted(attempt, address)
        except InvalidRequest as error:
            message = f"the result was not fetched: {error.message}"
            await self._commit(run, lambda now: self._end(now, ErrorCode.STORAGE_ERROR, message, retryable=False))
        except (Unavailable, StorageFull) as error:
            if self._is_early(attempt):
                raise
            code = ErrorCode.DISK_FULL if isinstance(error, StorageFull) else ErrorCode.STORAGE_ERROR
            message = f"the result could not be fetched: {error.message}"
            await self._commit(run, lambda now: self._end(now, code, message))
        else:
            await self._commit(run, lambda now: self._success(now, adopted=(adopted,)))

    async def _commit(self, run: Run, decide: Callable[[Run], Change], removals: int | None = None) -> None:
        """Where it relies on blobs: only if none were removed since that number. Raises Unavailable."""
        assert run.attempt is not None
        key = (run.job.id, run.attempt.number)
        async with self._store.transaction() as transaction:
            now = (await transaction.lock([key])).get(key)
            if now is None or not now.current:
                return
            if removals is not None:
                await require(transaction, removals)
            change = decide(now)
            await transaction.save([change])
        job = change.after.job
        why = {} if job.state is JobState.SUCCEEDED else {"reason": job.reason}
        log.info("finalised", job=job.id, attempt=run.attempt.number, state=job.state, **why, message=job.message)
        self._announcer.committed([change])

    async def _problems(self, attempt: Attempt, claim: Succeeded) -> list[str]:
        """What is wrong with the objects. While the store cannot be read nobody knows: that is raised, but not for ever."""
        prefix = attempt_prefix(attempt.job_id, attempt.number)
        if repeated := _repeated(claim):
            return repeated
        try:
            return [problem for ref in claim.artifacts if (problem := await self._problem(prefix, ref))]
        except EyebrightError as error:
            if self._is_early(attempt):
                raise
            return [f"they could not be read: {error}"]

    def _is_early(self, attempt: Attempt) -> bool:
        """Too early to give up what may come by itself."""
        return self._clock.now_ms() - attempt.heartbeat_at_ms < 1000 * PATIENCE_SECONDS

    async def _problem(self, prefix: str, ref: ArtifactRef) -> str | None:
        try:
            found = await self._objects.stat(prefix + ref.path)
        except NotFound:
            return f"{ref.path} is missing"
        if found.size_bytes != ref.size_bytes:
            return f"{ref.path} has {found.size_bytes} bytes, {ref.size_bytes} were announced"
        if found.sha256 != ref.sha256:
            return f"{ref.path} has other content than announced (sha256 {found.sha256[:12]}…, not {ref.sha256[:12]}…)"
        return None

    def _success(
        self,
        run: Run,
        version: Version | None = None,
        exported: Exported | None = None,
        adopted: tuple[ArtifactRef, ...] = (),
    ) -> Change:
        """A training that has left no file has no model."""
        attempt = run.attempt
        assert attempt is not None
        assert attempt.claim is not None
        now_ms = self._clock.now_ms()
        refs = (*attempt.claim.artifacts, *adopted)
        model_id = self._clock.new_id("mdl") if run.job.kind is JobKind.TRAINING and refs else None
        kept = () if exported else refs  # an export's are the model's
        artifacts = tuple(Artifact(job_id=run.job.id, attempt=attempt.number, ref=ref) for ref in kept)
        return changed(
            run,
            lifecycle.succeed(run, now_ms, model_id=model_id, imported_version=version and version.id),
            now_ms,
            artifacts=artifacts,
            model=_model(run, attempt.claim, refs, model_id, now_ms) if model_id else None,
            imported=version,
            exported=exported,
        )

    def _failure(self, run: Run, problems: list[str]) -> Change:
        return self._end(run, ErrorCode.STORAGE_ERROR, "the results did not arrive whole: " + "; ".join(problems))

    def _end(self, run: Run, code: ErrorCode, message: str, *, retryable: bool | None = None) -> Change:
        now_ms = self._clock.now_ms()
        after = lifecycle.end(run, code, message, now_ms, limits=self._limits, said_retryable=retryable)
        return changed(run, after, now_ms)


def _repeated(claim: Succeeded) -> list[str]:
    times = Counter(ref.path for ref in claim.artifacts)
    return [f"{path} is announced twice" for path, count in times.items() if count > 1]


def _model(run: Run, claim: Succeeded, refs: tuple[ArtifactRef, ...], model_id: str, now_ms: int) -> Model:
    job = run.job
    return Model(
        id=model_id,
        project=job.project,
        name=job.name,
        number=0,  # the store gives the next one
        parent=job.parent,
        licence=job.licence,
        job_id=job.id,
        attempt=job.attempt,
        trainer=job.trainer,
        task=job.task,
        architecture=job.model,
        dataset_version=job.dataset_version,
        classes=claim.classes,
        metrics=dict(claim.metrics),
        exports=claim.exports,
        artifacts=refs,
        created_at_ms=now_ms,
    )
