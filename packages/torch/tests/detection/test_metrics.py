import numpy as np
import pytest
from pycocotools import mask as run_lengths

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.local import LocalSample
from eyebright_torch.detection.decode import Finds
from eyebright_torch.detection.evaluate import Seen
from eyebright_torch.detection.metrics import Judge, confusion
from eyebright_torch.detection.objects import Annotations
from eyebright_torch.preprocess import Preprocessing

SIDE = 64
CLASSES = ("a", "b", "unseen")


def truth(tmp_path, *images: list[Instance], outlines: bool = False) -> Annotations:
    samples = [
        LocalSample(tmp_path / f"{n}.png", None, f"{n}.png", SIDE, SIDE, tuple(objects))
        for n, objects in enumerate(images)
    ]
    return Annotations(samples, Preprocessing(SIDE, "stretch"), outlines)


def square(label: int, left: int, top: int, side: int = 16, crowd: bool = False) -> Instance:
    ring = (left, top, left + side, top, left + side, top + side, left, top + side)
    return Instance(label=label, box=(left, top, side, side), polygons=(tuple(map(float, ring)),), crowd=crowd)


def seen(*finds: tuple[int, float, tuple[int, int, int, int]]) -> Seen:
    boxes = np.array([box for *_, box in finds], dtype=np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in finds], dtype=np.float32)
    labels = np.array([label for label, *_ in finds], dtype=np.int64)
    return Seen(Finds(boxes, scores, labels, np.arange(len(finds))))


def test_everything_found_is_worth_one(tmp_path):
    annotations = truth(tmp_path, [square(0, 0, 0)], [square(1, 8, 8), square(0, 40, 40)])
    found = [seen((0, 0.9, (0, 0, 16, 16))), seen((1, 0.8, (8, 8, 24, 24)), (0, 0.7, (40, 40, 56, 56)))]
    verdict = Judge(annotations, CLASSES)(found)
    assert verdict.as_metrics() == pytest.approx({"mAP50-95": 1, "mAP50": 1, "precision": 1, "recall": 1})
    assert verdict.best_score == pytest.approx(0.35, abs=0.01)
    assert [one["class"] for one in verdict.by_class()] == ["a", "b"]


def test_a_loose_box_counts_at_the_lower_overlaps_only(tmp_path):
    annotations = truth(tmp_path, [square(0, 0, 0, 20)])
    verdict = Judge(annotations, CLASSES)([seen((0, 0.9, (0, 0, 20, 26)))])  # overlap 0.77: at 0.50 … 0.75, six of ten
    assert verdict.as_metrics()["mAP50"] == pytest.approx(1)
    assert verdict.as_metrics()["mAP50-95"] == pytest.approx(0.6)


def test_a_wrong_find_costs_precision_and_a_missed_object_recall(tmp_path):
    annotations = truth(tmp_path, [square(0, 0, 0), square(0, 40, 40)])
    verdict = Judge(annotations, CLASSES)([seen((0, 0.9, (0, 0, 16, 16)), (0, 0.9, (30, 0, 46, 16)))])
    assert verdict.as_metrics()["precision"] == pytest.approx(0.5)
    assert verdict.as_metrics()["recall"] == pytest.approx(0.5)


def test_a_crowd_is_neither_missed_nor_wrongly_found(tmp_path):
    annotations = truth(tmp_path, [square(0, 0, 0), square(0, 30, 0, 32, crowd=True)])
    found = [seen((0, 0.8, (0, 0, 16, 16)), (0, 0.9, (32, 2, 48, 18)), (0, 0.9, (40, 2, 56, 18)))]
    assert Judge(annotations, CLASSES)(found).as_metrics()["precision"] == pytest.approx(1)
    assert Judge(annotations, CLASSES).objects.tolist() == [1, 0, 0]


def test_nothing_found_is_worth_nothing(tmp_path):
    verdict = Judge(truth(tmp_path, [square(0, 0, 0)]), CLASSES)([seen()])
    metrics = verdict.as_metrics()
    assert (metrics["mAP50-95"], metrics["precision"], metrics["recall"]) == (0, 0, 0)


def test_masks_are_compared_as_masks(tmp_path):
    annotations = truth(tmp_path, [square(0, 0, 0, 32)], outlines=True)
    masks = annotations[0].masks
    assert masks is not None
    half = masks[0].copy()
    half[:, 12:] = 0  # three eighths of it are found
    told = [seen((0, 0.9, (0, 0, 32, 32)))]
    judge = Judge(annotations, CLASSES)
    for mask, worth in ((masks[0], 1), (half, 0)):
        lengths = run_lengths.encode(np.asfortranarray(mask))
        assert judge([Seen(told[0].finds, (lengths,))], "segm").as_metrics()["mAP50"] == pytest.approx(worth)
    assert judge(told).as_metrics()["mAP50"] == pytest.approx(1)


def test_confusion_counts_each_object_once_and_what_is_not_there(tmp_path):
    annotations = truth(tmp_path, [square(0, 0, 0), square(1, 40, 40), square(1, 40, 0, crowd=True)])
    found = [
        seen(
            (1, 0.9, (0, 0, 16, 16)),  # there, of another class
            (0, 0.8, (0, 0, 16, 16)),  # already found
            (0, 0.7, (20, 20, 30, 30)),  # nothing there
            (1, 0.6, (40, 0, 56, 16)),  # of the crowd
            (1, 0.1, (40, 40, 56, 56)),  # too faint
        )
    ]
    expected = np.zeros((4, 4), dtype=int)
    expected[0, 1] = expected[1, 3] = 1
    expected[3, 0] = 2
    assert np.array_equal(confusion(found, annotations, 3, 0.5), expected)


def test_confusion_takes_a_find_inside_a_crowd_of_its_class_for_one_of_it(tmp_path):
    annotations = truth(tmp_path, [square(0, 0, 0, 64, crowd=True), square(0, 0, 0)])
    found = [
        seen(
            (0, 0.9, (32, 32, 40, 40)),  # of the crowd, of which it is a small part
            (1, 0.9, (48, 48, 56, 56)),  # of another class
            (0, 0.8, (0, 0, 16, 16)),  # the object, though it lies in the crowd
        )
    ]
    expected = np.zeros((4, 4), dtype=int)
    expected[3, 1] = expected[0, 0] = 1
    assert np.array_equal(confusion(found, annotations, 3, 0.5), expected)


def test_confusion_of_images_without_objects_or_finds(tmp_path):
    annotations = truth(tmp_path, [], [square(1, 0, 0)], [])
    expected = np.zeros((4, 4), dtype=int)
    expected[3, 0] = expected[1, 3] = 1
    assert np.array_equal(confusion([seen((0, 0.9, (0, 0, 9, 9))), seen(), seen()], annotations, 3, 0.5), expected)
