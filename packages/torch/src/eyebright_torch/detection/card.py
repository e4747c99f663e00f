"""The model card of a detector: what it is worth and how it is used. The rest is as in every task."""

from eyebright_torch.card import Facts, cell, closing, exports, opening, table, use
from eyebright_torch.detection.metrics import Verdict

_BOXES = (
    "One image at a time. Output: `boxes` [1, finds, 4], left, top, right, bottom as 0…1 of the square; `scores` "
    "[1, finds, classes] 0…1, classes in the order of `labels.json`"
)
_MASKS = "; `masks` [1, finds, height, width], the probability of each of their pixels, spread over the square"


def card(facts: Facts, boxes: Verdict, masks: Verdict | None, suppression: float | None) -> str:
    """Markdown. `suppression` is the overlap from which the weaker of two finds of a class is to be dropped."""
    what = "An instance segmenter" if masks else "An object detector"
    differs = "an edge, a score or a mask" if masks else "an edge or a score"
    sections = (
        opening(facts, f"{what}, trained by Eyebright."),
        _results(facts, boxes, masks),
        _classes(masks or boxes, "masks" if masks else "boxes"),
        use(facts, _output(masks is not None, suppression)),
        exports(facts, f"greatest difference of {differs}", "mask mAP50-95" if masks else "mAP50-95"),
        *closing(facts),
    )
    return "\n\n".join(sections) + "\n"


def _output(masks: bool, suppression: float | None) -> str:
    after = (
        " Each object is told once: no non-maximum suppression is needed."
        if suppression is None
        else f" Drop what overlaps a better find of its class by more than {suppression:g} (non-maximum suppression)."
    )
    return _BOXES + (_MASKS if masks else "") + "." + after


def _results(facts: Facts, boxes: Verdict, masks: Verdict | None) -> str:
    columns = [masks, boxes] if masks else [boxes]
    figures = [each.as_metrics() for each in columns]
    rows = [(name, *(f"{each[name]:.4f}" for each in figures)) for name in figures[0]]
    names = ("metric", "masks", "boxes") if masks else ("metric", "boxes")
    note = (
        f"mAP50-95 is COCO's average precision over the overlaps 0.50 to 0.95, mAP50 that at 0.50. Precision and recall at an "
        f"overlap of 0.50, cut at the score where F1 is best: {columns[0].best_score:.2f}."
    )
    return f"## Results\n\n{facts.where_judged} {note}\n\n{table(names, rows)}"


def _classes(verdict: Verdict, what: str) -> str:
    rows = (
        (cell(one["class"]), str(one["objects"]), *(f"{one[name]:.3f}" for name in verdict.as_metrics()))
        for one in verdict.by_class()
    )
    return f"## Classes\n\nOf {what}.\n\n{table(('class', 'objects', *verdict.as_metrics()), rows)}"
