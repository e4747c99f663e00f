"""Write a version as YOLO labels, in Ultralytics' own layout.

`data.yaml` lies in the folder that its paths start from and has no `path`, so the set can be moved. Both train and val are there,
even if one is empty, because Ultralytics asks for them.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import yaml

from eyebright_kit.data.annotations import Instance, Skeleton
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.formats.yolo_names import number_names
from eyebright_kit.data.manifest import Header
from eyebright_kit.data.writing import Target, write_file
from eyebright_wire.datasets import Split

_ALWAYS = frozenset({Feature.BOX, Feature.CLASS_ORDER, Feature.CLASS_NAMES})
#: A set has one kind of line. What it carries besides boxes, the richest first, and what Ultralytics calls the task.
_STYLES: Mapping[Feature, tuple[Features, str]] = {
    Feature.KEYPOINTS: (frozenset({Feature.KEYPOINTS, Feature.SKELETON}), "pose"),
    Feature.CORNERS: (frozenset({Feature.CORNERS}), "obb"),
    Feature.POLYGON: (frozenset({Feature.POLYGON}), "segment"),
    Feature.BOX: (frozenset(), "detect"),
}


def carried(present: Features) -> Features:
    return present & (_ALWAYS | _STYLES[_style(present)][0])


def write(target: Target) -> None:
    style = _style(target.features)
    points = _most_keypoints(target) if style is Feature.KEYPOINTS else 0
    line = _line_of(style, points)
    splits = {split: target.folder("images", split) for split in (Split.TRAIN, Split.VAL)}
    for sample in target.samples():
        splits[sample.split] = target.folder("images", sample.split)
        image = target.place_image(sample, splits[sample.split])
        lines = (line(instance, sample.width, sample.height) for instance in sample.instances)
        write_file(target.folder("labels", sample.split) / f"{image.stem}.txt", "".join(lines))
    write_file(target.into / "data.yaml", data_yaml(target.header, splits, style, points))


def _style(present: Features) -> Feature:
    if Feature.SKELETON in present:
        return Feature.KEYPOINTS
    return next((feature for feature in _STYLES if feature in present), Feature.BOX)


def _line_of(style: Feature, points: int) -> Callable[[Instance, int, int], str]:
    if style is Feature.KEYPOINTS:
        return partial(box_with_keypoints, points=points)
    return {Feature.CORNERS: turned_box, Feature.POLYGON: outline}.get(style, box)


def _most_keypoints(target: Target) -> int:
    counts = (len(instance.keypoints) // 3 for sample in target.samples() for instance in sample.instances)
    named = (len(skeleton.keypoints) for skeleton in target.header.skeletons.values())
    return max(max(counts, default=0), max(named, default=0))


# data.yaml


def data_yaml(header: Header, splits: Iterable[Split], style: Feature, points: int = 0) -> str:
    """The description of a set with that kind of line; `points` is how many keypoints a line has."""
    content: dict[str, Any] = {"task": _STYLES[style][1]}
    content |= {split.value: f"images/{split}" for split in splits}
    if style is Feature.KEYPOINTS:
        content |= _keypoint_entries(header.skeletons, points)
    content["names"] = {number: _Quoted(name) for number, name in enumerate(header.classes)}
    return yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False)


def _keypoint_entries(skeletons: Mapping[int, Skeleton], points: int) -> dict[str, Any]:
    """Ultralytics has one order of mirrored points for all classes, and passes over `skeleton`."""
    entries: dict[str, Any] = {"kpt_shape": [points, 3]}
    flips = {skeleton.flip for skeleton in skeletons.values()}
    if len(flips) == 1 and len(flip := flips.pop()) == points:
        entries["flip_idx"] = list(flip)
    if skeletons:
        entries["kpt_names"] = {label: _filled(skeleton, points) for label, skeleton in skeletons.items()}
        entries["skeleton"] = {label: [list(edge) for edge in skeleton.edges] for label, skeleton in skeletons.items()}
    return entries


def _filled(skeleton: Skeleton, points: int) -> list[str]:
    """Every class has as many keypoints as the one that has most."""
    return [_Quoted(name) for name in (*skeleton.keypoints, *number_names(points)[len(skeleton.keypoints) :])]


class _Quoted(str):
    """Text that stays text, although without quotes it may look like a number to one reader or another: 1e5, 012, no."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """The safe dumper, with quotes round names."""


def _quoted(_: yaml.SafeDumper, text: _Quoted) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", str(text), style='"')


_Dumper.add_representer(_Quoted, _quoted)


# Lines


def box(instance: Instance, width: int, height: int) -> str:
    return _line(instance.label, _relative_box(instance, width, height))


def outline(instance: Instance, width: int, height: int) -> str:
    """Parts are joined by a line there and back, which has no area. An object without outline gets that of its box: in a file
    with outlines Ultralytics takes the four numbers of a box for two points."""
    rings = instance.polygons or (_box_corners(instance),)
    points = rings[0] if len(rings) == 1 else sum((ring + ring[:2] for ring in rings), ())
    return _line(instance.label, _relative(points, width, height))


def turned_box(instance: Instance, width: int, height: int) -> str:
    return _line(instance.label, _relative(instance.corners or _box_corners(instance), width, height))


def box_with_keypoints(instance: Instance, width: int, height: int, points: int) -> str:
    """Every line has as many keypoints as the one that has most; those that are not there are unknown."""
    given = instance.keypoints + (0,) * (3 * points - len(instance.keypoints))
    numbers = list(_relative_box(instance, width, height))
    for x, y, seen in zip(given[0::3], given[1::3], given[2::3], strict=True):
        numbers += [x / width, y / height, seen]
    return _line(instance.label, numbers)


def _box_corners(instance: Instance) -> tuple[float, ...]:
    left, top, wide, high = instance.box
    return (left, top, left + wide, top, left + wide, top + high, left, top + high)


def _relative_box(instance: Instance, width: int, height: int) -> tuple[float, ...]:
    left, top, wide, high = instance.box
    return ((left + wide / 2) / width, (top + high / 2) / height, wide / width, high / height)


def _relative(points: tuple[float, ...], width: int, height: int) -> list[float]:
    return [number / (height if place % 2 else width) for place, number in enumerate(points)]


def _line(label: int, numbers: Iterable[float]) -> str:
    """Ten decimals bring the fourth decimal of a pixel back in any image."""
    return " ".join([str(label), *(f"{number:.10f}".rstrip("0").rstrip(".") for number in numbers)]) + "\n"
