"""A real training: what is learnt is found again, by the model and by its exports."""

import digits
import pytest

from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.manifest import Manifest
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import Trace, traced
from eyebright_ultralytics.manifest import MANIFEST
from eyebright_wire.datasets import Split

pytestmark = pytest.mark.timeout(2000)
#: Many steps, on pictures that stay as they are: a model is sure of what it finds only long after mAP is high, and until then
#: the processor decides which scores pass the threshold.
CONFIG = {
    "epochs": 20,
    "imgsz": digits.SIDE,
    "batch": 4,
    "nbs": 4,
    "mosaic": 0,
    "scale": 0,
    "translate": 0,
    "fliplr": 0,
    "hsv_h": 0,
    "hsv_s": 0,
    "hsv_v": 0,
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


@pytest.mark.usefixtures("fenced")
def test_it_finds_the_digits_of_pictures_where_they_are(trained: Trace):
    """All 27 of them with three seeds; the least sure one had a score of 0.47, and a quarter is enough."""
    from eyebright_ultralytics.inference import predict

    blobs = trained.folder.parents[1] / "objects" / "blobs" / "sha256"
    overlaps: list[float] = []
    for sample in Manifest(blob_path(blobs, trained.spec.dataset.manifest_sha256)).samples():
        if sample.split is not Split.VAL:
            continue
        found = predict(trained.output, blob_path(blobs, sample.sha256))
        for instance in sample.instances:
            left, top, width, height = instance.box
            box = (left, top, left + width, top + height)
            overlaps.append(max((overlap(box, thing.box) for thing in found), default=0))
    assert sum(each > 0.5 for each in overlaps) >= 0.8 * len(overlaps), overlaps


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    return common / (area(one) + area(other) - common)


def area(box: tuple[float, ...]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
