"""The papers that every model has, whichever trainer made it: all its settings, and the words of the licence it comes under."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from eyebright_wire.artifacts import ArtifactKind, ArtifactRef
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import TrainerManifest

CONFIG, LICENCE = "config.json", "LICENCE.txt"
#: How a trainer's package calls the words of its own licence.
_NAMES = ("LICENSE", "LICENCE", "LICENSE.txt", "LICENCE.txt", "COPYING")


class Desk(Protocol):
    def artifact(self, path: str, kind: ArtifactKind, media_type: str) -> ArtifactRef: ...


@dataclass(frozen=True)
class Paper:
    path: str
    kind: ArtifactKind
    media_type: str
    text: str


def hand_over(spec: JobSpec, manifest: TrainerManifest, desk: Desk, staging: Path) -> None:
    """Before the trainer begins, so that none can forget them. One that pushes its own under the same name replaces these."""
    for paper in _papers(spec, manifest):
        (staging / paper.path).write_text(paper.text, encoding="utf-8")
        desk.artifact(paper.path, paper.kind, paper.media_type)


def licence_text(manifest: TrainerManifest) -> str | None:
    """As it lies in the trainer's package; where none does, the kit's own words of the same licence. None: nobody has them."""
    ours = Path(__file__).parent / "licences" / f"{manifest.licence}.txt"
    found = next((file for file in (*_own(manifest.module), ours) if file.is_file()), None)
    return found.read_text(encoding="utf-8") if found else None


def _own(module: str) -> Iterator[Path]:
    spec = find_spec(module)
    if spec is not None and spec.origin is not None:
        yield from (Path(spec.origin).parent / name for name in _NAMES)


def _papers(spec: JobSpec, manifest: TrainerManifest) -> Iterator[Paper]:
    config = json.dumps(spec.config, indent=2, ensure_ascii=False) + "\n"
    yield Paper(CONFIG, ArtifactKind.CONFIG, "application/json", config)
    if text := licence_text(manifest):
        yield Paper(LICENCE, ArtifactKind.CARD, "text/plain", text)
