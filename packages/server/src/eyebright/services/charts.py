"""The charts of a job: its curves as they were kept, and the events since."""

import asyncio
from collections.abc import Sequence

from eyebright.core.curves import Curve, Curves, Measured, grown, measured, thinned
from eyebright.core.records import StoredEvent
from eyebright.ports.curves import CurveStore
from eyebright.ports.jobs import JobHistory, JobStore
from eyebright_wire.events import EventKind
from eyebright_wire.resources import MetricPoint, MetricSeries

#: Of a metric in one answer: more than a chart has pixels.
POINTS = 5000
#: Events that are read at once, and those that one commit takes into the curves.
_PAGE, _PORTION = 2000, 20_000
#: Jobs in one round.
_JOBS = 50
_PROGRESS = frozenset({str(EventKind.PROGRESS)})


class Charts:
    def __init__(self, store: JobStore, history: JobHistory, curves: CurveStore) -> None:
        self._store = store
        self._history = history
        self._curves = curves

    async def metrics(self, job_id: str, most: int = POINTS) -> tuple[MetricSeries, ...]:
        """Each metric over time, in `most` points or fewer; of more, those that show its course. Where a later attempt has begun
        again, its values replace the earlier ones from there on."""
        newest = (await self._store.get(job_id)).job.events
        curves = await self._curves.get(job_id)
        while curves.position < newest:
            curves = await self._grown(job_id, curves, newest)
        return await asyncio.to_thread(_series, curves, most)

    async def fold(self) -> bool:
        """Take what long jobs have said into their curves, a portion of each. Is there more?"""
        behind = await self._curves.behind(_JOBS)
        for job_id in behind:
            newest = (await self._store.get(job_id)).job.events
            known = await self._curves.get(job_id)
            await self._curves.keep(job_id, await self._grown(job_id, known, newest), known.position)
        return bool(behind)

    async def settle(self, job_id: str) -> None:
        """Take all that a job has said into its curves, so that its events are not needed for any chart."""
        newest = (await self._store.get(job_id)).job.events
        while (known := await self._curves.get(job_id)).position < newest:
            await self._curves.keep(job_id, await self._grown(job_id, known, newest), known.position)

    async def _grown(self, job_id: str, known: Curves, newest: int) -> Curves:
        """With the next portion of events."""
        said: list[Measured] = []
        page: Sequence[StoredEvent] = ()
        position = known.position
        while position < known.position + _PORTION:
            page = await self._history.events(job_id, position, _PAGE, _PROGRESS)
            if not page:
                position = max(position, newest)
                break
            position = page[-1].position
            said += await asyncio.to_thread(measured, page)
        return await asyncio.to_thread(grown, known, said, position)


def _series(curves: Curves, most: int) -> tuple[MetricSeries, ...]:
    return tuple(_one(name, curve, most) for name, curve in sorted(curves.curves.items()))


def _one(name: str, curve: Curve, most: int) -> MetricSeries:
    points = thinned(curve.points, most)
    return MetricSeries(
        name=name,
        points=tuple(MetricPoint(epoch=epoch, step=step, at_ms=at, value=value) for step, epoch, at, value in points),
    )
