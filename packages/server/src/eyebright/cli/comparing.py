"""Two models side by side, for people."""

from eyebright.cli.terminal import moment, number, say, show, show_table
from eyebright.core.assignment import written
from eyebright_wire.resources import Ancestor, MetricDifference, ModelComparison, ModelView, SettingDifference

_MANY = 20


def show_comparison(found: ModelComparison) -> None:
    left, right = title(found.left), title(found.right)
    ours, theirs = _facts(found.left), _facts(found.right)
    show_table(("", left, right), [(name, ours[name], theirs[name]) for name in ours], "")
    show("")
    show_table(("metric", left, right, "difference"), map(_metric, found.metrics), "Neither has metrics.")
    show("")
    show_table(("setting", left, right), map(_setting, found.settings), "No setting differs.")
    for name, only in ((left, found.classes_only_left), (right, found.classes_only_right)):
        if only:
            more = f" and {len(only) - _MANY} more" if len(only) > _MANY else ""
            say(f"Only {name} knows {', '.join(only[:_MANY])}{more}.")


def title(model: ModelView) -> str:
    """`cats@3`."""
    return f"{model.name}@{model.number}"


def ancestor_line(ancestor: Ancestor) -> str:
    """`cats@2  mdl_…`, and when it was deleted."""
    deleted = "" if ancestor.deleted_at_ms is None else f"  (deleted {moment(ancestor.deleted_at_ms)})"
    return f"{ancestor.name}@{ancestor.number}  {ancestor.id}{deleted}"


def _facts(model: ModelView) -> dict[str, object]:
    return {
        "model": model.id,
        "trainer": model.trainer,
        "task": model.task,
        "architecture": model.architecture,
        "data set": model.dataset_version,
        "begun from": ancestor_line(model.lineage[0]) if model.lineage else "",
        "classes": len(model.classes),
        "created": moment(model.created_at_ms),
    }


def _metric(found: MetricDifference) -> tuple[str, ...]:
    difference = "" if found.difference is None else f"{found.difference:+.4g}"
    return found.name, _value(found.left), _value(found.right), difference


def _value(value: float | None) -> str:
    return "" if value is None else number(value)


def _setting(found: SettingDifference) -> tuple[str, str, str]:
    left = "" if found.only == "right" else written(found.left)
    return found.name, left, "" if found.only == "left" else written(found.right)
