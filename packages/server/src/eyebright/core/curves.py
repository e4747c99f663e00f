"""Metrics over time in as few points as a chart has use for, grown event by event.

A curve that becomes too long is cut into stretches of equal length in steps, and of each its lowest and its highest point stay:
no spike is lost. So does beside them the last point of each epoch, by which epochs are told, unless there are too many. Stretches
double when it grows on, so that it is the same in whatever portions its events came.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

from eyebright.core.records import StoredEvent
from eyebright_wire.events import EventKind, Progress

#: Of a curve: a chart's 5,000 remain when it has just been thinned.
MOST = 10_000
#: Of all points so many may be the last of their epochs.
_CLOSING_SHARE = 4

_value = attrgetter("value")


class Point(NamedTuple):
    """Points are in the order of their steps. Who counts no steps counts epochs."""

    step: int
    epoch: int
    at_ms: int
    value: float

    @property
    def place(self) -> tuple[int, int]:
        return self.step, self.epoch

    @property
    def at(self) -> int:
        return self.step or self.epoch


@dataclass(frozen=True, slots=True)
class Curve:
    """`width`: of a stretch, in steps; up to 1 nothing is left out."""

    points: Sequence[Point] = ()
    width: int = 1


@dataclass(frozen=True, slots=True)
class Curves:
    """Of a job, by metric: what its events up to `position` have said. `attempt` measured last."""

    position: int = 0
    attempt: int = 0
    curves: Mapping[str, Curve] = field(default_factory=dict[str, Curve])


class Measured(NamedTuple):
    """What one event says."""

    attempt: int
    step: int
    epoch: int
    at_ms: int
    metrics: Mapping[str, float]


def measured(events: Iterable[StoredEvent]) -> list[Measured]:
    """Of those that measure anything."""
    return [found for event in events if event.kind == EventKind.PROGRESS and (found := _measured(event)).metrics]


def grown(known: Curves, said: Sequence[Measured], position: int, most: int = MOST) -> Curves:
    """With what was said next, up to that position. A value for the same step replaces the earlier one; where a later attempt has
    begun again, what earlier ones measured from there on is left out."""
    for attempt, following in groupby(said, key=attrgetter("attempt")):
        known = _grown(known, attempt, list(following), most)
    return replace(known, position=max(position, known.position))


def thinned(points: Sequence[Point], most: int) -> Sequence[Point]:
    """Of more than `most` ≥ 2: the first, the last, the last of each epoch, and the lowest and highest of each of equally many
    between them."""
    if len(points) <= most:
        return points
    closing = _closing(points, most)
    between, runs = points[1:-1], (most - 2 - len(closing)) // 2
    bounds = [number * len(between) // runs for number in range(runs + 1)] if runs else []
    kept = {points[0], *closing, points[-1]}
    for first, last in pairwise(bounds):
        kept.update(_extremes(between[first:last]))
    return sorted(kept)


def _measured(event: StoredEvent) -> Measured:
    said = Progress.model_validate(event.data)
    return Measured(event.attempt, said.step, said.epoch, event.at_ms, said.metrics)


def _grown(known: Curves, attempt: int, said: Sequence[Measured], most: int) -> Curves:
    curves = dict(known.curves)
    if attempt != known.attempt:
        begun = said[0].step, said[0].epoch
        curves = {name: _before(curve, begun) for name, curve in curves.items()}
    for name, points in _by_metric(said).items():
        curves[name] = _settled(_merged(curves.get(name, Curve()), points), most)
    return replace(known, attempt=attempt, curves={name: curve for name, curve in curves.items() if curve.points})


def _before(curve: Curve, begun: tuple[int, int]) -> Curve:
    """One that begins from nothing has every point again."""
    points = [point for point in curve.points if point.place < begun]
    return replace(curve, points=points) if points else Curve()


def _by_metric(said: Sequence[Measured]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for each in said:
        for name, value in each.metrics.items():
            found.setdefault(name, []).append(Point(each.step, each.epoch, each.at_ms, value))
    return found


def _merged(curve: Curve, points: Sequence[Point]) -> Curve:
    places = {point.place: point for point in (*curve.points, *points)}
    return replace(curve, points=sorted(places.values()))


def _settled(curve: Curve, most: int) -> Curve:
    """Its stretches as wide as they must be."""
    points, width = curve.points, curve.width
    while len(kept := _reduced(points, width)) > most:
        width *= 2
    return Curve(tuple(sorted({points[0], *kept, *_closing(points, most), points[-1]})), width)


def _reduced(points: Sequence[Point], width: int) -> Sequence[Point]:
    if width == 1:
        return points
    runs = groupby(points, key=lambda point: point.at // width)
    return [point for _, run in runs for point in _extremes(list(run))]


def _closing(points: Sequence[Point], most: int) -> Sequence[Point]:
    """The last of each epoch but the newest, where there are not too many for so short a curve."""
    closing = {point.epoch: point for point in points}
    closing.pop(points[-1].epoch)
    return tuple(closing.values()) if len(closing) <= (most - 2) // _CLOSING_SHARE else ()


def _extremes(points: Sequence[Point]) -> Sequence[Point]:
    """The first of the lowest and the first of the highest, in order."""
    return sorted({min(points, key=_value), max(points, key=_value)})
