"""Two models side by side: what they measured, how they were trained, what only one of them knows."""

from collections.abc import Mapping, Sequence
from typing import Any

from eyebright_wire.resources import MetricDifference, ModelComparison, ModelView, SettingDifference

Settings = Mapping[str, Any]
#: Is no value of a setting, unlike None.
_ABSENT = object()


def compared(left: ModelView, right: ModelView, settings: tuple[Settings, Settings]) -> ModelComparison:
    """`settings` are those that each was trained with, all of them."""
    return ModelComparison(
        left=left,
        right=right,
        metrics=tuple(_metric(name, left.metrics, right.metrics) for name in _both(left.metrics, right.metrics)),
        settings=tuple(_setting(name, *settings) for name in _both(*settings) if _differs(name, *settings)),
        classes_only_left=_only(left.classes, right.classes),
        classes_only_right=_only(right.classes, left.classes),
    )


def _both(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[str]:
    """The keys of the left one in its order, then what only the right one has."""
    return list(dict.fromkeys((*left, *right)))


def _metric(name: str, left: Mapping[str, float], right: Mapping[str, float]) -> MetricDifference:
    ours, theirs = left.get(name), right.get(name)
    difference = None if ours is None or theirs is None else theirs - ours
    return MetricDifference(name=name, left=ours, right=theirs, difference=difference)


def _setting(name: str, left: Settings, right: Settings) -> SettingDifference:
    only = "right" if name not in left else "left" if name not in right else None
    return SettingDifference(name=name, left=left.get(name), right=right.get(name), only=only)


def _differs(name: str, left: Settings, right: Settings) -> bool:
    return left.get(name, _ABSENT) != right.get(name, _ABSENT)


def _only(these: Sequence[str], those: Sequence[str]) -> tuple[str, ...]:
    known = frozenset(those)
    return tuple(name for name in these if name not in known)
