"""A data set whose names attack whatever reads them, with a canary that sings when one succeeds.

`hostile(tiny)` draws the pictures of an honest tiny set under names that the importer lets through: names are data.
"""

import hashlib
import json
import pickle
import random
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace as changed
from PIL import Image

from eyebright_kit.runtime.markdown import plain
from eyebright_kit.runtime.tinyset import Drawn, TinySet
from eyebright_kit.runtime.trace import Trace
from eyebright_wire.datasets import Split

#: What a command that was smuggled in would make, in whichever folder it ran.
CANARY = "canary"
CLASSES = (
    f"!!python/object/apply:os.system ['touch {CANARY}']",
    f"$(touch {CANARY}) `touch {CANARY}`; touch {CANARY} #",
    f"../../../{CANARY}",
    "{{ 7*7 }} ${7*7} %s%n%d {0} {0.__class__} {",
    "<script src=//evil.example/x.js></script><img src=x onerror=alert(1)>",
    "[a](javascript:alert(1)) ![b](http://evil.example/b.png) **c** | `d` _e_ &lt;",
    r"$\frac{1$ ^_ \input{/etc/passwd} ~ \\",
    "=cmd|' /C calc'!A0",
)
_IMAGES = {Split.TRAIN: 2, Split.VAL: 1}
_DESCRIPTION, _ARTIST, _COPYRIGHT = 0x010E, 0x013B, 0x8298  # tags of EXIF


class _Singing:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return subprocess.call, (["touch", str(self.canary)],)


def hostile(tiny: TinySet) -> TinySet:
    """As easy to learn as the honest set: which of its pictures a class shows is decided by the class' number."""
    honest = len(tiny.classes)

    def draw(label: int, numbers: random.Random) -> Drawn:
        return _renamed(tiny.draw(label % honest, numbers), label % honest, label)

    skeletons = {label: tiny.skeletons[label % honest] for label in range(len(CLASSES)) if tiny.skeletons}
    return replace(tiny, classes=CLASSES, draw=draw, skeletons=skeletons, images=_IMAGES)


def _renamed(drawn: Drawn, old: int, new: int) -> Drawn:
    """Every other class in the picture becomes the next one."""
    labels = {old: new}
    return replace(
        drawn,
        image=_described(drawn.image),
        label=None if drawn.label is None else new,
        instances=tuple(changed(thing, label=labels.get(thing.label, (new + 1) % 8)) for thing in drawn.instances),
        mask=drawn.mask and drawn.mask.point([labels.get(value, value) for value in range(256)]),
        caption=drawn.caption and CLASSES[new],
    )


def _described(image: Image.Image) -> Image.Image:
    """With words in its EXIF."""
    for tag, words in zip((_DESCRIPTION, _ARTIST, _COPYRIGHT), CLASSES, strict=False):
        image.getexif()[tag] = words
    return image


def plant(folder: Path, canary: Path, names: tuple[str, ...]) -> None:
    """Leaves pickles under names that somebody might open without having been asked to."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(pickle.dumps(_Singing(canary)))


def listing(folder: Path, *, besides: tuple[Path, ...]) -> Mapping[str, str]:
    """Each file below the folder, with a hash of what is in it, but for those below `besides`."""
    found = (path for path in folder.rglob("*") if not any(path.is_relative_to(other) for other in besides))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.is_file()}


def keeps_names_as_they_are(trace: Trace) -> None:
    """Programs are told the very names; people see them, and nothing else, wherever a page is made of them."""
    assert trace.succeeded.classes == CLASSES
    for artifact in trace.succeeded.artifacts:
        path = trace.output / artifact.path
        if path.suffix == ".json":
            told = set(_strings(json.loads(path.read_text(encoding="utf-8"))))
            assert path.name != "labels.json" or told >= set(CLASSES), f"{path.name} has other names: {told}"
        if path.suffix in (".md", ".svg", ".html", ".csv", ".yaml"):
            _shows_plainly(path.name, path.read_text(encoding="utf-8"))


def _shows_plainly(name: str, text: str) -> None:
    """Only a card lists them today; whatever begins to, has to escape them as its own language wants it."""
    raw = [known for known in CLASSES if known in text and known != plain(known)]
    assert not raw, f"{name} has names of classes as they are, where they can mean more: {raw}"


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            yield from _strings([*value.keys(), *value.values()])
        case list():
            for part in cast("list[Any]", value):
                yield from _strings(part)
        case _:
            pass
