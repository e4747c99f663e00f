"""Sign URLs for a running attempt, so that a trainer without credentials of its own reads and writes in the operator's bucket.

What may be signed is what the attempt's order grants, and nothing else: the blobs of its own version, the files of its parent,
the checkpoints that it may go on from, and its own output.
"""

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from eyebright.core import lifecycle
from eyebright.core.job import Job, Run
from eyebright.core.scope import Scope, within
from eyebright.errors import Fenced, Forbidden, InvalidRequest
from eyebright.ports.jobs import JobHistory, JobStore
from eyebright.ports.objects import BLOBS, ObjectStore, Signing, attempt_prefix, blob_key
from eyebright.ports.registry import DatasetStore, ModelStore
from eyebright.services.ingest import authentic
from eyebright_kit.data.manifest import Manifest
from eyebright_wire.artifacts import CHECKPOINTS, UrlsAnswer, UrlsRequest, WantedUrl
from eyebright_wire.jobs import MODEL_FILES, JobKind
from eyebright_wire.run_directory import SPOOL

#: Versions of which we know by heart which blobs they have: 8 bytes for each.
_VERSIONS_KEPT = 16

#: May this file below a grant be signed?
Rule = Callable[[WantedUrl], bool]


class Grants:
    def __init__(
        self,
        store: JobStore,
        history: JobHistory,
        datasets: DatasetStore,
        models: ModelStore,
        objects: ObjectStore,
        *,
        seconds: float,
    ) -> None:
        self._store = store
        self._history = history
        self._datasets = datasets
        self._models = models
        self._objects = objects
        self._seconds = seconds  # that the store's URLs hold
        self._looking = asyncio.Lock()
        self._members = lru_cache(_VERSIONS_KEPT)(_Members.of)

    async def sign(self, job_id: str, attempt: int, token: str, request: UrlsRequest) -> UrlsAnswer:
        """A URL for each file that is wanted.

        Raises Forbidden when the token is not this attempt's or one of the files is none of its affair, Fenced when the attempt
        is over, InvalidRequest where objects are files or a content is not named.
        """
        run = await self._authorised(job_id, attempt, token)
        with within(Scope(run.job.project)):
            prefix, rule = await self._granted(run.job, request.uri)
        for wanted in request.wanted:
            _require_named(wanted)
            if not rule(wanted):
                raise Forbidden(f"this attempt may not {wanted.method} {wanted.path} below {request.uri}")
        signings = [_signing(prefix, wanted) for wanted in request.wanted]
        return UrlsAnswer(urls=tuple(await self._objects.signed(signings)), expires_in_seconds=self._seconds)

    async def _authorised(self, job_id: str, attempt: int, token: str) -> Run:
        key = (job_id, attempt)
        async with self._store.transaction() as transaction:
            run = (await transaction.lock([key])).get(key)
        if run is None or run.attempt is None or not authentic(run, token):
            raise Forbidden("this token is not for that attempt")
        if lifecycle.current(run).claim is not None:  # what was announced is being looked at
            raise Fenced(f"attempt {attempt} has already said its last word")
        return run

    async def _granted(self, job: Job, uri: str) -> tuple[str, Rule]:
        """The prefix that a grant of the attempt's order opens, and what may be done below."""
        if job.kind is JobKind.IMPORT:
            raise Forbidden("an import works beside the server and is granted nothing but its folder there")
        own = attempt_prefix(job.id, job.attempt)
        if uri == self._uri(own):
            return own, _own
        if uri == self._uri(BLOBS):
            return BLOBS, await self._blobs(job)
        inherited = {**await self._checkpoints(job), **await self._parent(job)}
        for prefix, rule in inherited.items():
            if uri == self._uri(prefix):
                return prefix, rule
        raise Forbidden(f"{uri} is no grant of this attempt")

    def _uri(self, prefix: str) -> str:
        return self._objects.grant(prefix).uri

    async def _blobs(self, job: Job) -> Rule:
        version = await self._datasets.version(job.dataset_version)
        manifest = version.manifest_sha256
        async with self._looking:  # many trainers of one version begin at once
            path = await self._objects.local(blob_key(manifest))
            members = await asyncio.to_thread(self._members, path)
        return lambda wanted: wanted.method == "GET" and members.has(wanted.path, manifest)

    async def _parent(self, job: Job) -> Mapping[str, Rule]:
        if job.parent is None:
            return {}
        model = await self._models.get(job.parent)
        files = frozenset(ref.path for ref in model.artifacts if ref.kind in MODEL_FILES)
        return {attempt_prefix(model.job_id, model.attempt): _reading(files.__contains__)}

    async def _checkpoints(self, job: Job) -> Mapping[str, Rule]:
        """All that are known of the job's earlier attempts and of the job that it goes on from, offered or not."""
        found = await self._history.checkpoints(job.id)
        if job.resume_from is not None:
            found += await self._history.checkpoints(job.resume_from)
        folders: dict[str, set[str]] = {}
        for checkpoint in found:
            folder = checkpoint.manifest.path.rpartition("/")[0]
            folders.setdefault(attempt_prefix(checkpoint.job_id, checkpoint.attempt), set()).add(f"{folder}/")
        return {prefix: _reading(_below(tuple(below))) for prefix, below in folders.items()}


@dataclass(frozen=True, slots=True)
class _Members:
    """Which blobs a version has, by the first 64 of their 256 bits: that another version's blob shares those is as likely as that
    one guesses a password."""

    marks: "array[int]"

    @classmethod
    def of(cls, path: Path) -> "_Members":
        """A manifest never changes, so neither does this."""
        samples = Manifest(path).samples()
        blobs = (blob for sample in samples for blob in (sample, sample.mask) if blob is not None)
        return cls(array("Q", sorted(_mark(blob.sha256) for blob in blobs)))

    def has(self, path: str, manifest_sha256: str) -> bool:
        sha256 = path.rpartition("/")[2]
        if f"{BLOBS}{path}" != blob_key(sha256):
            return False
        return sha256 == manifest_sha256 or self._holds(sha256)

    def _holds(self, sha256: str) -> bool:
        try:
            mark = _mark(sha256)
        except ValueError:
            return False
        place = bisect_left(self.marks, mark)
        return place < len(self.marks) and self.marks[place] == mark


def _mark(sha256: str) -> int:
    return int(sha256[:16], 16)


def _own(wanted: WantedUrl) -> bool:
    """An attempt may remove its superseded checkpoints. What it announces as results stays as it was verified."""
    return wanted.method != "DELETE" or wanted.path.startswith(f"{CHECKPOINTS}/")


def _reading(known: Callable[[str], bool]) -> Rule:
    return lambda wanted: wanted.method == "GET" and known(wanted.path)


def _below(folders: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda path: path.startswith(folders)


def _require_named(wanted: WantedUrl) -> None:
    """A URL outlives its attempt; bound to one content, it cannot put another in place of what was verified."""
    if wanted.method == "PUT" and wanted.path != SPOOL and (wanted.sha256 is None or wanted.size_bytes is None):
        raise InvalidRequest(
            f"{wanted.path}: a URL to write with is signed for one content; give size_bytes and sha256"
        )


def _signing(prefix: str, wanted: WantedUrl) -> Signing:
    return Signing(wanted.method, f"{prefix}{wanted.path}", wanted.size_bytes, wanted.sha256)
