"""Shows what a model sees on a picture."""

from collections.abc import Iterator

from eyebright.cli.terminal import show_table
from eyebright_wire.predictions import ClassMask, FoundObject
from eyebright_wire.resources import Prediction

_SCORES = 5  # of a thousand classes few are worth a line


def show_prediction(prediction: Prediction, top: int | None) -> None:
    """At most `top` of them; by default the five best classes, or every object."""
    if prediction.mask:
        _show_areas(prediction.mask, top)
    elif prediction.scores:
        rows = ((score.label, _percent(score.score)) for score in prediction.scores[: top or _SCORES])
        show_table(("label", "score"), rows, "")
    else:
        columns = ("label", "score", "left", "top", "right", "bottom", "")
        show_table(columns, map(_row, prediction.objects[:top]), "Nothing was found.")


def _show_areas(mask: ClassMask, top: int | None) -> None:
    show_table(("label", "of the picture"), ((area.label, _percent(area.share)) for area in mask.areas[:top]), "")


def _row(found: FoundObject) -> tuple[str, ...]:
    return (found.label, _percent(found.score), *(f"{edge:.0f}" for edge in found.box), ", ".join(_besides(found)))


def _besides(found: FoundObject) -> Iterator[str]:
    if found.polygons:
        yield f"outline of {sum(len(ring) // 2 for ring in found.polygons)} points"
    if found.keypoints:
        yield f"{len(found.keypoints)} keypoints"
    if found.corners:
        yield "turned"


def _percent(score: float) -> str:
    return f"{100 * score:.1f} %"
