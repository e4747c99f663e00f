"""Real scans of digits, as class folders and pasted on textures with boxes, outlines, masks and captions: what one format holds
comes out of every other that can carry it, and trainers train a few steps on what gives them classes, boxes, outlines, masks or
captions."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from harness.live import eyebright
from msgspec.structs import replace
from PIL import Image
from sklearn.datasets import load_digits

from eyebright_kit.data.annotations import IGNORED, Box, Instance, Mask, box_around
from eyebright_kit.data.blobs import blob_path, stored_at
from eyebright_kit.data.convert import convert
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Format, detect, formats
from eyebright_kit.data.manifest import Header, Manifest, Sample, line_of, write_manifest
from eyebright_kit.data.version import prepare
from eyebright_wire.datasets import Split

SIDE = 96
CLASSES = tuple(f"digit {number}" for number in range(10))
WITH_OBJECTS = ("coco", "cvat", "datumaro", "labelme", "metadata", "voc", "yolo")
WITH_OUTLINES = ("coco", "cvat", "datumaro", "labelme", "yolo")
WITH_MASKS = tuple(form.name for form in formats() if "semantic_segmentation" in form.tasks)
WITH_CAPTIONS = tuple(form.name for form in formats() if "text_to_image" in form.tasks)
WITH_CLASSES = ("datumaro", "imagefolder", "metadata")


def scan(number: int) -> tuple[Image.Image, int]:
    """The n-th digit, 24 pixels wide, and which it is."""
    digits = load_digits()
    pixels = bytes(int(shade * 15) for shade in digits.data[number])
    return Image.frombytes("L", (8, 8), pixels).resize((24, 24), Image.Resampling.BICUBIC), int(digits.target[number])


class Street:
    """Digits on textures: a version with its blobs below a folder."""

    def __init__(self, folder: Path, images: int = 12) -> None:
        self.blobs = folder / "blobs"
        samples = sorted((self._sample(number) for number in range(images)), key=lambda sample: sample.source)
        path = folder / "manifest.jsonl"
        write_manifest(path, Header(format="drawn", classes=CLASSES), map(line_of, samples))
        self.manifest = Manifest(path)

    def _sample(self, number: int) -> Sample:
        random = Random(number)
        picture = Image.frombytes("RGB", (6, 6), random.randbytes(108)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        mask = Image.new("L", (SIDE, SIDE), IGNORED)
        instances: list[Instance] = []
        for place in range(random.randint(1, 3)):
            digit, label = scan(random.randrange(1797))
            left, top = 4 + 30 * place, random.randrange(4, SIDE - 28)
            ink = digit.point(lambda shade: 255 if shade > 100 else 0)
            picture.paste((250, 250, 250), (left, top), ink)
            mask.paste(label, (left, top), ink)
            instances.append(_outlined(label, ink, left, top))
        content, drawn = _png(picture), _png(mask)
        classes = tuple(sorted({instance.label for instance in instances}))
        return Sample(
            sha256=self._stored(content),
            extension="png",
            size_bytes=len(content),
            width=SIDE,
            height=SIDE,
            split=Split.VAL if number % 4 == 3 else Split.TRAIN,
            source=f"{number}.png",
            instances=tuple(instances),
            mask=Mask(sha256=self._stored(drawn), size_bytes=len(drawn), classes=classes),
            caption=f"a street with {len(instances)} digits",
        )

    def _stored(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        path = blob_path(self.blobs, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return sha256


def _outlined(label: int, ink: Image.Image, left: int, top: int) -> Instance:
    """Its outline is the box that just holds the ink, with a notch so that it is none."""
    x0, y0, x1, y1 = ink.getbbox() or (0, 0, 1, 1)
    ring = [(x0, y0), (x1, y0), (x1, y1), ((x0 + x1) / 2, y1 - 1), (x0, y1)]
    points = tuple(float(number) for x, y in ring for number in (x + left, y + top))
    return Instance(label=label, box=box_around(points), polygons=(points,))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Street:
    return Street(tmp_path_factory.mktemp("street"))


def _form(name: str) -> Format:
    return next(form for form in formats() if form.name == name)


def told(manifest: Manifest, kept: frozenset[Feature]) -> Iterator[tuple[str, Split, object]]:
    """What is known of each image, by the names of its classes, as far as a format keeps it."""
    classes = manifest.header.classes
    for sample in manifest.samples():
        objects = [(classes[i.label], *_shape(i, kept)) for i in sample.instances if Feature.BOX in kept]
        mask = sample.mask.sha256 if sample.mask and Feature.MASK in kept else None
        yield sample.sha256, sample.split, (objects, mask, sample.caption if Feature.CAPTION in kept else None)


def _shape(instance: Instance, kept: frozenset[Feature]) -> tuple[Box | None, object]:
    return instance.box, instance.polygons if Feature.POLYGON in kept else None


def read(folder: Path, work: Path) -> Manifest:
    return prepare(folder, work=work).manifest


@pytest.mark.parametrize("name", [form.name for form in formats() if form.name != "imagefolder"])
def test_digits_on_textures_come_out_as_they_went_in(street: Street, tmp_path: Path, name: str) -> None:
    form = _form(name)
    done = convert(street.manifest, stored_at(street.blobs), form, tmp_path / name)
    assert detect(tmp_path / name) is form
    kept = frozenset({Feature.BOX, Feature.POLYGON, Feature.MASK, Feature.CAPTION}) - set(done.lost)
    assert kept, "nothing at all was carried"
    again = read(tmp_path / name, tmp_path / "work")
    assert again.header.classes == (CLASSES if kept != {Feature.CAPTION} else ())
    assert sorted(told(again, kept), key=str) == sorted(told(street.manifest, kept), key=str)


@pytest.mark.parametrize("second", WITH_OBJECTS)
@pytest.mark.parametrize("first", WITH_OBJECTS)
def test_boxes_survive_every_detour(street: Street, tmp_path: Path, first: str, second: str) -> None:
    """From one format to another and back to COCO."""
    boxes = frozenset({Feature.BOX})
    plain = replace_all(street.manifest, tmp_path / "plain")
    find = stored_at(street.blobs)
    for step, name in enumerate((first, second, "coco")):
        convert(plain, find, _form(name), tmp_path / str(step))
        version = prepare(tmp_path / str(step), work=tmp_path / f"work-{step}")
        plain, find = version.manifest, dict(version.blobs).__getitem__
    assert sorted(told(plain, boxes), key=str) == sorted(told(street.manifest, boxes), key=str)


def replace_all(manifest: Manifest, path: Path) -> Manifest:
    """With boxes only."""
    samples = (
        replace(s, mask=None, caption=None, instances=tuple(replace(i, polygons=()) for i in s.instances))
        for s in manifest.samples()
    )
    write_manifest(path, manifest.header, map(line_of, samples))
    return Manifest(path)


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_a_classifier_trains_on_digits_in_any_format_that_has_classes(tmp_path: Path, name: str) -> None:
    for number in range(60):
        digit, label = scan(number)
        path = tmp_path / "digits" / f"{label}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        digit.save(path)
    ran = eyebright(tmp_path / "data", "datasets", "convert", tmp_path / "digits", tmp_path / "set", "--format", name)
    assert ran.code == 0, ran.err
    trained = eyebright(
        tmp_path / "data", "train", tmp_path / "set", "--trainer", "toy", "--set", "epochs=2", "--json", timeout=120
    )
    assert trained.code == 0, trained.err
    assert trained.document["job"]["state"] == "succeeded"


#: One epoch of few steps; a detector needs far more to find anything.
A_FEW_STEPS = {"epochs": 1, "imgsz": 96, "batch": 3, "warmup_epochs": 0, "plots": "false", "exports": "[]"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for all of them: its server need not start anew each time."""
    return tmp_path_factory.mktemp("platform")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("task", "name"),
    [
        *(("detection", name) for name in WITH_OBJECTS),
        *(("instance_segmentation", name) for name in WITH_OUTLINES),
    ],
)
def test_a_detector_trains_on_digits_in_any_format_that_has_objects(
    street: Street, platform: Path, tmp_path: Path, task: str, name: str
) -> None:
    convert(street.manifest, stored_at(street.blobs), _form(name), tmp_path / name)
    settings = [part for key, value in A_FEW_STEPS.items() for part in ("--set", f"{key}={value}")]
    order = ("train", tmp_path / name, "--task", task, "--trainer", "ultralytics", *settings, "--json")
    trained = eyebright(platform, *order, timeout=240)
    assert trained.code == 0, trained.err
    job, model = trained.document["job"], trained.document["model"]
    assert (job["state"], job["progress"]["epoch"], job["progress"]["epochs"]) == ("succeeded", 1, 1)
    assert tuple(model["classes"]) == CLASSES
    assert {"mAP50", "mAP50-95"} <= set(trained.document["metrics"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", WITH_MASKS)
def test_a_segmenter_trains_on_digits_in_any_format_that_has_masks(
    street: Street, platform: Path, tmp_path: Path, name: str
) -> None:
    convert(street.manifest, stored_at(street.blobs), _form(name), tmp_path / name)
    few = {"epochs": 1, "imgsz": 64, "batch": 3, "warmup_epochs": 0}
    settings = [part for key, value in few.items() for part in ("--set", f"{key}={value}")]
    order = ("train", tmp_path / name, "--task", "semantic_segmentation", *settings, "--json")
    trained = eyebright(platform, *order, timeout=240)
    assert trained.code == 0, trained.err
    job, model = trained.document["job"], trained.document["model"]
    assert (job["state"], job["trainer"], job["progress"]["epoch"]) == ("succeeded", "transformers", 1)
    assert tuple(model["classes"]) == CLASSES
    assert {"mIoU", "pixel_accuracy"} <= set(trained.document["metrics"])
    picture = next(path for path in (tmp_path / name).rglob("3.png") if "images" in path.parts)
    seen = eyebright(
        platform, "models", "predict", model["id"], picture, "--mask", tmp_path / "mask.png", "--json", timeout=120
    )
    assert seen.code == 0, seen.err
    areas = {area["index"]: area["share"] for area in seen.document["mask"]["areas"]}
    with Image.open(tmp_path / "mask.png") as mask:
        counts = mask.histogram()
    assert areas == {value: count / SIDE**2 for value, count in enumerate(counts) if count}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", WITH_CAPTIONS)
def test_a_lora_is_learned_from_digits_in_any_format_that_has_captions(
    street: Street, platform: Path, tmp_path: Path, name: str
) -> None:
    convert(street.manifest, stored_at(street.blobs), _form(name), tmp_path / name)
    few = {"epochs": 1, "resolution": 64, "batch": 3, "rank": 2}
    settings = [part for key, value in few.items() for part in ("--set", f"{key}={value}")]
    order = ("train", tmp_path / name, "--task", "lora", "--model", "tiny", *settings, "--json")
    trained = eyebright(platform, *order, timeout=240)
    assert trained.code == 0, trained.err
    job, files = trained.document["job"], {file["path"] for file in trained.document["model"]["artifacts"]}
    assert (job["state"], job["trainer"], job["task"]) == ("succeeded", "diffusion", "text_to_image")
    assert {"pytorch_lora_weights.safetensors", "kohya_lora.safetensors"} <= files
    assert {"loss", "epochs"} <= set(trained.document["metrics"])
