"""Take in what trainers say. Many posts share one commit, because one fsync per event would allow only some 300 a second."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from eyebright.core import lifecycle
from eyebright.core.callback import events_of
from eyebright.core.job import Run
from eyebright.core.records import Change, StoredEvent, changed
from eyebright.core.retry import RetryLimits
from eyebright.core.scope import EVERYTHING, Scope, current, within
from eyebright.errors import (
    Conflict,
    EventConflict,
    EyebrightError,
    Forbidden,
    InvalidRequest,
    StorageFull,
    Unavailable,
    no_job,
)
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import AttemptKey, JobStore, JobTransaction
from eyebright.services.announce import Announcer
from eyebright_wire.callbacks import TrainingUpdate
from eyebright_wire.events import LAST_WORDS, Ack, Event, EventKind, Heartbeat
from eyebright_wire.jobs import JobKind

log = structlog.stdlib.get_logger(__name__)

#: Posts that may share one commit: enough for one per reporting job, small enough for a steady latency.
GROUP = 256
#: Among many reporters, between two commits: fewer and larger ones save a sixth of the time. One alone never waits for it.
GATHER_SECONDS = 0.01
#: Events of a spool in one commit, as many as a reporter may post: a day of progress at once would keep everybody waiting.
PIECE = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Post:
    """One request of a reporter, events, a beat or an update without a number, waiting for its commit. `attempt` None: the
    current one; `token` None: our own sweeper, which read the spool itself, or the operator. Whose jobs it may speak for its
    `scope` says, whoever writes it down."""

    job_id: str
    attempt: int | None
    token: str | None
    events: tuple[Event, ...] = ()
    beat: Heartbeat | None = None
    update: TrainingUpdate | None = None
    scope: Scope = field(default_factory=current)
    answer: asyncio.Future[Ack] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def key(self) -> AttemptKey:
        return self.job_id, self.attempt


class Ingest:
    def __init__(
        self, store: JobStore, clock: Clock, announcer: Announcer, *, lease_ms: int, limits: RetryLimits
    ) -> None:
        self._store = store
        self._clock = clock
        self._announcer = announcer
        self._lease_ms = lease_ms
        self._limits = limits
        self._waiting: list[Post] = []
        self._writer: asyncio.Task[None] | None = None

    async def accept(self, job_id: str, attempt: int, token: str, events: Sequence[Event]) -> Ack:
        """Store a contiguous batch; events that are already stored are acknowledged again.

        Raises Forbidden, EventGap (a number is missing), Fenced (the attempt is over), EventConflict (same number, other
        content) or InvalidRequest (malformed body). Returns once the events are durable.
        """
        return await self._post(Post(job_id, attempt, token, events=tuple(events)))

    async def beat(self, job_id: str, attempt: int, token: str, beat: Heartbeat) -> Ack:
        """Renew the lease of a live attempt. Raises Forbidden or Fenced."""
        return await self._post(Post(job_id, attempt, token, beat=beat))

    async def tell(self, job_id: str, attempt: int | None, key: str | None, update: TrainingUpdate) -> Ack:
        """Store what is new in an update, as the events that it stands for, or those that it carries; of both kinds a repetition
        changes nothing.

        `key` is the attempt's token; None: the operator himself speaks, of the current attempt unless he names one. Raises
        Forbidden, Fenced (the attempt is over, or has said another last word) and for carried events what `accept` does; for the
        operator NotFound, and Conflict before the job has begun.
        """
        if attempt is not None and update.attempt not in (None, attempt):
            raise InvalidRequest(f"the address is attempt {attempt}'s, and the body says attempt {update.attempt}")
        number = attempt or update.attempt
        if not update.numbered:
            return await self._post(Post(job_id, number, key, update=update))
        ack = await self._post(Post(job_id, number, key, events=update.events or ()))
        if update.heartbeat is not None:
            ack = await self._post(Post(job_id, number, key, beat=update.heartbeat))
        return ack

    async def replay(self, job_id: str, attempt: int, events: Sequence[Event], beat: Heartbeat | None = None) -> None:
        """The same, for what the sweeper found on disk."""
        for first in range(0, len(events), PIECE):
            await self._post(Post(job_id, attempt, None, events=tuple(events[first : first + PIECE])))
        if beat is not None:
            await self._post(Post(job_id, attempt, None, beat=beat))

    async def _post(self, post: Post) -> Ack:
        """Queue, and see that somebody writes. A task of its own: if this caller hangs up, the others still get their answers."""
        self._waiting.append(post)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await post.answer

    async def _write(self) -> None:
        """One commit after the other, each for everybody who has queued by then, until nobody waits."""
        try:
            with within(EVERYTHING):
                await self._write_all()
        finally:
            self._writer = None

    async def _write_all(self) -> None:
        while self._waiting:
            posts = self._take()
            await self._commit(posts)
            if len(posts) > 1:
                await asyncio.sleep(GATHER_SECONDS)

    def _take(self) -> list[Post]:
        """The oldest waiting posts, one per job: a second one must see what the first did."""
        taken: dict[str, Post] = {}
        left: list[Post] = []
        for post in self._waiting:
            if post.job_id in taken or len(taken) == GROUP:
                left.append(post)
            else:
                taken[post.job_id] = post
        self._waiting = left
        return list(taken.values())

    async def _commit(self, posts: list[Post]) -> None:
        try:
            await self._commit_together(posts)
        except Exception as error:
            if len(posts) == 1 or isinstance(error, Unavailable | StorageFull):  # nobody's fault: all may try again
                for post in posts:
                    _answer(post, error)
                return
            for post in posts:  # one of them upset the database: the others must not suffer
                await self._commit([post])

    async def _commit_together(self, posts: list[Post]) -> None:
        changes: list[Change] = []
        answers: list[tuple[Post, Ack | EyebrightError]] = []
        async with self._store.transaction() as transaction:
            runs = await transaction.lock([post.key for post in posts])
            for post in posts:
                try:
                    change = await self._decide(transaction, runs.get(post.key), post)
                except EyebrightError as error:
                    answers.append((post, error))
                    continue
                answers.append((post, _ack(change)))
                if change.after != change.before:
                    changes.append(change)
            await transaction.save(changes)
        for post, answer in answers:
            _answer(post, answer)
        for change in changes:
            _log_end(change)
        self._announcer.committed(changes)

    async def _decide(self, transaction: JobTransaction, run: Run | None, post: Post) -> Change:
        run = _authorised(run, post)
        now_ms = self._clock.now_ms()
        if post.beat is not None:
            return changed(run, self._alive(run, post.beat, now_ms), now_ms)
        if post.update is None:
            fresh = await _without_repeats(transaction, run, post.events)
        else:
            fresh = events_of(run, post.update, now_ms, last_word=await _last_word(transaction, run))
        if not fresh:
            return changed(run, run if post.update is None else self._still_there(run, now_ms), now_ms)
        applied = lifecycle.apply(run, fresh, now_ms, lease_ms=self._lease_ms, limits=self._limits)
        return changed(run, applied.run, now_ms, events=applied.events, checkpoints=applied.checkpoints)

    def _still_there(self, run: Run, now_ms: int) -> Run:
        """Who says nothing new lives all the same; that training has moved nobody said."""
        if not run.current or run.attempt is None or run.attempt.claim is not None:
            return run
        return self._alive(run, Heartbeat(at_ms=now_ms, moved_at_ms=0), now_ms)

    def _alive(self, run: Run, beat: Heartbeat, now_ms: int) -> Run:
        return lifecycle.heartbeat(run, beat, now_ms, lease_ms=self._lease_ms)


def _authorised(run: Run | None, post: Post) -> Run:
    """The run, if the post may speak for it. Whoever has no right to it does not learn whether there is such a job."""
    run = run if run is not None and post.scope.covers(run.job.project) else None
    if post.token is None and run is None:
        raise no_job(post.job_id)
    if post.token is None and run is not None and run.attempt is None:
        raise Conflict(f"job {post.job_id} has no such attempt; only one that has begun can be told of")
    if run is None or run.attempt is None or not (post.token is None or authentic(run, post.token)):
        raise Forbidden("this token is not for that attempt")
    if post.update is not None and run.job.kind is not JobKind.TRAINING:
        raise Conflict(
            f"job {post.job_id} is no training but of the kind {run.job.kind}, of which nobody can be told so"
        )
    return run


def token_hash(token: str) -> str:
    """What is stored of a token: it has 256 random bits, so a plain sha256 can't be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()


def authentic(run: Run, token: str) -> bool:
    """Is it the token of this very attempt?"""
    return run.attempt is not None and hmac.compare_digest(run.attempt.token_sha256, token_hash(token))


async def _without_repeats(transaction: JobTransaction, run: Run, events: tuple[Event, ...]) -> tuple[Event, ...]:
    """The events not stored yet. A repeated one must equal what is stored, even after its attempt ended. Of one that was
    compacted no more is known than that it told of progress."""
    last = run.attempt.last_seq if run.attempt else 0
    repeated = [event for event in events if event.seq <= last]
    if repeated:
        stored = await transaction.events(run.job.id, _number(run), repeated[0].seq, repeated[-1].seq)
        known = {event.seq: event for event in stored}
        for event in repeated:
            stored_one = known.get(event.seq)
            compacted = stored_one is None and event.kind == EventKind.PROGRESS
            if not compacted and not _same(stored_one, event):
                raise EventConflict(f"event {event.seq} is already stored with other content")
    return tuple(event for event in events if event.seq > last)


async def _last_word(transaction: JobTransaction, run: Run) -> StoredEvent | None:
    """The attempt's own, if it has said one. It is looked for only where there can be one: after a claim, or after the end."""
    attempt = run.attempt
    if attempt is None or (attempt.live and attempt.claim is None) or not attempt.last_seq:
        return None
    newest = await transaction.events(run.job.id, attempt.number, attempt.last_seq, attempt.last_seq)
    return next((event for event in newest if event.kind in LAST_WORDS), None)


def _number(run: Run) -> int:
    assert run.attempt is not None
    return run.attempt.number


def _same(stored: StoredEvent | None, event: Event) -> bool:
    return stored is not None and _content(stored) == _content(event)


def _content(event: StoredEvent | Event) -> str:
    """As text, because a NaN does not equal itself."""
    return json.dumps([event.kind, event.at_ms, dict(event.data)], sort_keys=True)


def _ack(change: Change) -> Ack:
    attempt = change.after.attempt
    return Ack(acked=attempt.last_seq if attempt else 0, cancel=change.after.job.cancel_requested)


def _log_end(change: Change) -> None:
    """Of an attempt whose trainer has told its end itself; one that succeeded is still to be looked at."""
    before, job, attempt = change.before.attempt, change.after.job, change.after.attempt
    if before and before.live and attempt and not attempt.live:
        about = {"job": job.id, "kind": job.kind, "attempt": attempt.number, "state": job.state}
        log.info("ended", **about, reason=job.reason, message=job.message)


def _answer(post: Post, answer: Ack | BaseException) -> None:
    if post.answer.done():
        return
    if isinstance(answer, BaseException):
        post.answer.set_exception(answer)
    else:
        post.answer.set_result(answer)
