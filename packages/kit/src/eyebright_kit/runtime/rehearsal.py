"""A tiny honest job in a folder of its own: pictures that can be learned, stored as blobs, and a spec that orders a run."""

import hashlib
import io
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.manifest import Header, Sample, line_of, write_manifest
from eyebright_wire.artifacts import Grant
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import DatasetGrant, JobSpec, Resources, ResumePoint
from eyebright_wire.manifest import TrainerManifest

CLASSES = ("bright", "dark", "striped")
IMAGES_PER_CLASS = {Split.TRAIN: 8, Split.VAL: 4}
SIDE = 32


@dataclass(frozen=True)
class Rehearsal:
    """Where a tiny job lives. Attempts of it lie side by side, as an executor would lay them out."""

    root: Path
    manifest: TrainerManifest
    config: dict[str, Any] = field(default_factory=dict[str, Any])  # laid over recipe and conformance settings
    events_url: str | None = None
    heartbeat_seconds: float = 15.0

    @property
    def blobs(self) -> Path:
        return self.root / "objects" / "blobs" / "sha256"

    def run_folder(self, attempt: int = 1) -> Path:
        return self.root / "runs" / f"a{attempt}"

    def output(self, attempt: int = 1) -> Path:
        return self.root / "objects" / "jobs" / "rehearsal" / f"a{attempt}"

    def write_spec(self, attempt: int = 1, resume: tuple[ResumePoint, ...] = (), **config: Any) -> Path:
        """Seals the order of one attempt and answers where it lies."""
        folder = self.run_folder(attempt)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "spec.json"
        path.write_text(self.spec(attempt, resume, **config).model_dump_json(indent=2))
        path.chmod(0o600)
        return path

    def spec(self, attempt: int = 1, resume: tuple[ResumePoint, ...] = (), **config: Any) -> JobSpec:
        task = self.manifest.tasks[0]
        return JobSpec(
            job_id="rehearsal",
            attempt=attempt,
            trainer=self.manifest.name,
            task=task.name,
            model=task.default_model,
            config={**task.recipe, **self.manifest.conformance, **self.config, **config},
            dataset=DatasetGrant(
                version_id="tiny@1",
                name="tiny",
                manifest_sha256=store_tiny_version(self.blobs),
                blobs=Grant(uri=self.blobs.as_uri() + "/"),
            ),
            output=Grant(uri=self.output(attempt).as_uri() + "/"),
            resume=resume,
            resources=Resources(threads=1),
            events_url=self.events_url,
            token="rehearsal",  # noqa: S106 - opens nothing
            heartbeat_seconds=self.heartbeat_seconds,
        )


def store_tiny_version(blobs: Path) -> str:
    """Stores a data set of three classes that a glance tells apart; answers the sha256 of its manifest."""
    numbers = random.Random(7)  # noqa: S311 - pictures, not secrets
    samples = tuple(
        _store_image(blobs, split, label, number, numbers)
        for split, count in IMAGES_PER_CLASS.items()
        for label in range(len(CLASSES))
        for number in range(count)
    )
    draft = blobs / "manifest.jsonl"
    write_manifest(draft, Header(format="imagefolder", classes=CLASSES), map(line_of, samples))
    return _store(blobs, draft.read_bytes())


def draw(label: int, numbers: random.Random) -> Image.Image:
    """One picture of a class: bright, dark, or bright and dark in stripes, each with its own noise."""
    ground = (200, 55, 200)[label] + numbers.randrange(-25, 26)
    image = Image.new("RGB", (SIDE, SIDE), (ground, ground, ground))
    pen = ImageDraw.Draw(image)
    if CLASSES[label] == "striped":
        for left in range(numbers.randrange(4), SIDE, 8):
            pen.rectangle((left, 0, left + 3, SIDE), fill=(30, 30, 30))
    for _ in range(12):
        place = (numbers.randrange(SIDE), numbers.randrange(SIDE))
        pen.point(place, fill=tuple(numbers.randrange(256) for _ in range(3)))
    return image


def _store_image(blobs: Path, split: Split, label: int, number: int, numbers: random.Random) -> Sample:
    buffer = io.BytesIO()
    draw(label, numbers).save(buffer, "PNG")
    content = buffer.getvalue()
    return Sample(
        sha256=_store(blobs, content),
        extension="png",
        size_bytes=len(content),
        width=SIDE,
        height=SIDE,
        split=split,
        label=label,
        source=f"{split}/{CLASSES[label]}/{number}.png",
    )


def _store(blobs: Path, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    path = blob_path(blobs, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return sha256
