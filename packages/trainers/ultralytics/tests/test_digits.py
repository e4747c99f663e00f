"""A real training: what is learnt is found again, by the model and by its exports."""

from itertools import islice

import digits
import pytest

from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.manifest import Manifest
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import Trace, run_verb, traced
from eyebright_ultralytics.manifest import MANIFEST
from eyebright_wire.answers import PredictionAnswer
from eyebright_wire.datasets import Split

pytestmark = pytest.mark.timeout(2000)
CONFIG = {
    "epochs": 30,
    "imgsz": 160,
    "batch": 8,
    "nbs": 8,
    "mosaic": 0,
    "optimizer": "AdamW",
    "lr0": 0.002,
    "plots": False,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    job = TinyJob(tmp_path_factory.mktemp("digits"), MANIFEST)
    path = job.write_spec(**CONFIG)
    spec = job.spec(**CONFIG)
    dataset = spec.dataset.model_copy(update={"name": "digits", "manifest_sha256": digits.store(job.blobs)})
    path.write_text(spec.model_copy(update={"dataset": dataset}).model_dump_json())
    return traced(MANIFEST.module, path, timeout_seconds=1800)


def test_it_learns_to_find_digits(trained: Trace):
    assert trained.succeeded.metrics["mAP50"] >= 0.8, trained.summary()


def test_its_exports_are_worth_as_much_in_their_own_runtimes(trained: Trace):
    exports = {export.format: export.parity for export in trained.succeeded.exports}
    assert exports.keys() == {"onnx", "torchscript"}
    for parity in exports.values():
        assert parity.metric == "mAP50-95"
        assert parity.samples == digits.IMAGES[Split.VAL]
        assert parity.native > 0.3
        assert abs(parity.native - parity.exported) < 0.02
        assert parity.agreement == 1


def test_it_finds_the_digits_of_pictures_where_they_are(trained: Trace):
    """Most of them: how sure it is of one differs between processors, and what it is not sure of is left out."""
    blobs = trained.folder.parents[1] / "objects" / "blobs" / "sha256"
    manifest = Manifest(blob_path(blobs, trained.spec.dataset.manifest_sha256))
    overlaps: list[float] = []
    for sample in islice((sample for sample in manifest.samples() if sample.split is Split.VAL), 4):
        answer = run_verb(MANIFEST.module, "predict", str(trained.output), str(blob_path(blobs, sample.sha256)))
        found = PredictionAnswer.model_validate_json(answer.stdout).objects
        for instance in sample.instances:
            left, top, width, height = instance.box
            box = (left, top, left + width, top + height)
            overlaps.append(max((overlap(box, thing.box) for thing in found), default=0))
    assert sum(each > 0.5 for each in overlaps) > 0.7 * len(overlaps), overlaps


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    return common / (area(one) + area(other) - common)


def area(box: tuple[float, ...]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
