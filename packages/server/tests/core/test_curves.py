from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from eyebright.core.curves import Curves, Measured, Point, grown, measured, thinned
from eyebright.core.records import StoredEvent

MOST = 16
VALUES = st.floats(-5, 5, width=16)
unhurried = settings(deadline=None)  # how long an example takes says more of the machine
COUNTS = st.lists(st.integers(1, 60), max_size=12)


def said(step: int, loss: float = 0.5, attempt: int = 1, **more: float) -> Measured:
    return Measured(attempt, step, 1, 1000 + step, {"loss": loss, **more})


def together(what: list[Measured], most: int = MOST) -> Curves:
    return grown(Curves(), what, len(what), most)


def in_portions(what: list[Measured], counts: list[int], most: int = MOST) -> Curves:
    curves, position = Curves(), 0
    for count in [*counts, len(what)]:
        curves = grown(curves, what[position : position + count], min(len(what), position + count), most)
        position = min(len(what), position + count)
    return curves


def every_point(what: list[Measured]) -> list[Point]:
    """The curve of the loss as nobody would store it."""
    points: dict[tuple[int, int], Point] = {}
    for _, attempt in groupby(what, key=lambda each: each.attempt):
        following = list(attempt)
        begun = following[0].step, following[0].epoch
        points = {place: point for place, point in points.items() if place < begun}
        for each in following:
            points[each.step, each.epoch] = Point(each.step, each.epoch, each.at_ms, each.metrics["loss"])
    return sorted(points.values())


def losses(curves: Curves) -> tuple[list[Point], int]:
    curve = curves.curves["loss"]
    return list(curve.points), curve.width


@st.composite
def attempts(draw: st.DrawFn) -> list[Measured]:
    """Each goes on from a step that the one before has passed, or from farther on."""
    found: list[Measured] = []
    step = 0
    for attempt in range(1, draw(st.integers(1, 4)) + 1):
        step = draw(st.integers(0, step + 3))
        for loss in draw(st.lists(VALUES, min_size=1, max_size=120)):
            step += draw(st.integers(1, 3))
            found.append(said(step, loss, attempt))
    return found


@unhurried
@given(attempts(), COUNTS)
def test_a_short_curve_has_every_point(what, counts):
    assert losses(in_portions(what, counts, most=1000)) == (every_point(what), 1)


@unhurried
@given(attempts(), COUNTS)
def test_a_long_curve_has_the_extremes_of_each_stretch(what, counts):
    """But of one in which an attempt has begun again: there the earlier one had left out what it can no longer tell."""
    points, width = losses(in_portions(what, counts))
    naive = every_point(what)
    assert set(points) <= set(naive)
    assert points == sorted(points)
    assert (points[0], points[-1]) == (naive[0], naive[-1])
    assert len(points) <= MOST + MOST // 4 + 2
    begun = {next(attempt).step // width for _, attempt in groupby(what, key=lambda each: each.attempt)}
    kept, known = by_stretch(points, width), by_stretch(naive, width)
    assert set(kept) >= set(known) - begun
    for stretch in set(known) - begun:
        assert (min(kept[stretch]), max(kept[stretch])) == (min(known[stretch]), max(known[stretch]))


def by_stretch(points: list[Point], width: int) -> dict[int, list[float]]:
    return {stretch: [point.value for point in run] for stretch, run in groupby(points, key=lambda p: p.step // width)}


@unhurried
@given(st.lists(VALUES, min_size=1, max_size=400), COUNTS)
def test_a_curve_does_not_depend_on_the_portions_in_which_it_grew(values, counts):
    what = [said(step, value) for step, value in enumerate(values, 1)]
    assert in_portions(what, counts) == together(what)


@unhurried
@given(st.lists(st.tuples(st.integers(0, 500), VALUES), min_size=1, max_size=200), COUNTS)
def test_steps_in_disorder_lead_to_no_point_that_was_not_measured(steps, counts):
    what = [said(step, value) for step, value in steps]
    points, _ = losses(in_portions(what, counts))
    assert set(points) <= {Point(each.step, 1, each.at_ms, each.metrics["loss"]) for each in what}
    assert len({point.place for point in points}) == len(points)
    assert points == sorted(points)


def test_half_of_a_curve_at_least_remains():
    widths = [1, 2, 1000]
    for apart in widths:
        what = [said(apart * number, float(number % 7)) for number in range(300)]
        points, _ = losses(together(what, most=100))
        assert 50 <= len(points) <= 102


def test_a_value_for_the_same_step_replaces_the_earlier_one():
    points, _ = losses(together([said(1, 0.9), said(2, 0.8), said(2, 0.7)]))
    assert [(point.step, point.value) for point in points] == [(1, 0.9), (2, 0.7)]


def test_what_a_later_attempt_trains_again_was_measured_by_it_alone():
    first = [said(step, 0.5, top1=0.1) for step in range(1, 10)]
    curves = together([*first, said(4, 0.3, attempt=2)])
    assert [(point.step, point.value) for point in curves.curves["loss"].points] == [
        (1, 0.5),
        (2, 0.5),
        (3, 0.5),
        (4, 0.3),
    ]
    assert [point.step for point in curves.curves["top1"].points] == [1, 2, 3]
    assert set(grown(curves, [said(0, attempt=3)], 11).curves) == {"loss"}


def test_who_counts_no_steps_counts_epochs():
    what = [Measured(1, 0, epoch, epoch, {"loss": 1 / epoch}) for epoch in (1, 2, 3)]
    assert [point.epoch for point in together(what).curves["loss"].points] == [1, 2, 3]


def test_without_steps_a_long_curve_is_as_fine_as_with_them():
    what = [Measured(1, 0, epoch, epoch, {"loss": float(epoch % 7)}) for epoch in range(1, 301)]
    assert 50 <= len(losses(together(what, most=100))[0]) <= 102


@unhurried
@given(st.lists(VALUES, min_size=1, max_size=400), st.integers(1, 200), COUNTS)
def test_what_each_epoch_ended_with_stays_unless_there_are_too_many(values, length, counts):
    what = [Measured(1, step, 1 + step // length, step, {"loss": value}) for step, value in enumerate(values, 1)]
    ends = {each.epoch: each.metrics["loss"] for each in what}
    curves = in_portions(what, counts)
    assert curves == together(what)
    if len(ends) > 4:
        return
    for points in (losses(curves)[0], thinned(losses(curves)[0], MOST)):
        assert {point.epoch: point.value for point in points} == ends


def test_an_attempt_that_begins_from_nothing_has_every_point_again():
    first = [said(step, float(step % 7)) for step in range(300)]
    points, width = losses(together([*first, *(said(step, 0.5, attempt=2) for step in range(10))]))
    assert ([point.step for point in points], width) == (list(range(10)), 1)


def test_only_progress_with_metrics_measures():
    def event(position: int, kind: str, **data: object) -> StoredEvent:
        return StoredEvent(job_id="job_1", attempt=2, seq=position, position=position, kind=kind, at_ms=7, data=data)

    events = [
        event(1, "stage", stage="training", metrics={"loss": 1}),
        event(2, "progress", epoch=1, epochs=2, step=3),
        event(3, "progress", epoch=1, epochs=2, step=3, metrics={"loss": 0.5, "lr": float("nan")}),
        event(4, "progress", epoch=1, epochs=2, step=4, metrics={"loss": float("inf")}),
    ]
    assert measured(events) == [Measured(2, 3, 1, 7, {"loss": 0.5})]


@unhurried
@given(st.lists(VALUES, min_size=1, max_size=200), st.integers(2, 50))
def test_a_thinner_curve_keeps_its_ends_and_its_extremes(values, most):
    points = [Point(step, 1, step, value) for step, value in enumerate(values)]
    thin = thinned(points, most)
    assert len(thin) <= most
    assert list(thin) == sorted(set(thin) & set(points))
    assert (thin[0], thin[-1]) == (points[0], points[-1])
    if most >= 4:
        assert {min(values), max(values)} <= {point.value for point in thin}
