"""Every listed model: built, learned from, and read as MMDetection itself reads it."""

import copy

import pytest
import torch

from eyebright_kit.errors import ConfigInvalid
from eyebright_mmdet import configs, models
from eyebright_mmdet.config import MMDetConfig
from eyebright_mmdet.detector import Detector
from eyebright_mmdet.framework import framework, rule
from eyebright_mmdet.library import MODELS
from eyebright_mmdet.manifest import MANIFEST
from eyebright_mmdet.names import SHORT
from eyebright_torch.detection.framework import Target
from eyebright_torch.freezing import freeze, train_mode

NAMES = [info.name for info in MANIFEST.tasks[0].models]
#: One of each kind of head; the others differ from these in size alone.
KINDS = ["rtmdet_tiny", "yolox_nano", "ssdlite_mobilenetv2", "retinanet_r18", "fcos_r18", "atss_r18", "gfl_r50",
         "freeanchor_r50", "yolof_r50", "centernet_update_r18"]  # fmt: skip
SIDE = 96


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def target(*boxes: tuple[float, ...]) -> Target:
    return Target(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.arange(len(boxes)) % 3)


def built(name: str, seed: int = 0) -> Detector:
    torch.manual_seed(seed)
    return models.build(name, 3)


def test_the_listed_models_are_those_with_short_names():
    assert set(NAMES) == set(SHORT)


def test_the_models_have_as_many_parameters_as_told():
    found = {}
    for name in NAMES:
        with torch.device("meta"):
            model = MODELS.build(configs.model(name, 80))
        found[name] = sum(parameter.numel() for parameter in model.parameters())
    assert found == {info.name: info.parameters for info in MANIFEST.tasks[0].models}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_learns_from_images_with_objects_and_without(name: str):
    detector = built(name)
    for targets in ([target((5, 5, 40, 40), (50, 50, 90, 90)), target()], [target(), target()]):
        losses = detector(images(), targets)
        assert set(losses) == {"loss", *detector.losses}
        assert torch.isfinite(losses["loss"])
        losses["loss"].backward()
    grown = [name for name, p in detector.named_parameters() if p.requires_grad and p.grad is None]
    assert grown == []


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_read_as_mmdetection_reads_it(name: str):
    detector = built(name)
    with torch.no_grad():
        for _ in range(3):
            detector.model.extract_feat(images(4))  # statistics, without which all boxes are alike
        head = detector.eval().model.bbox_head
        head.__dict__.setdefault("loss_cls", None)  # SSD's lacks what its own reading asks for
        boxes, scores = detector(images(4))
        given = images(4).flip(1) if detector.swaps else images(4)
        told = head.predict_by_feat(
            *head(detector.model.extract_feat(given)),
            batch_img_metas=[{"img_shape": (SIDE, SIDE), "scale_factor": (1, 1)}] * 4,
            cfg=all_of_them(detector.model.test_cfg),
            with_nms=False,
        )
    for index, theirs in enumerate(told):
        assert_same(boxes[index] * SIDE, scores[index], theirs)


def all_of_them(test_cfg):
    told = copy.deepcopy(test_cfg)
    told.update(score_thr=-1.0, nms_pre=10**6, min_bbox_size=-1)
    return told


def assert_same(boxes: torch.Tensor, scores: torch.Tensor, theirs) -> None:
    """The same scores of the same classes at the same places; they list one entry for each score, or each place's best."""
    if len(theirs) == len(boxes):
        scores, labels = scores.max(1)
    else:
        labels = torch.arange(3).repeat(len(boxes))
        boxes, scores = boxes.repeat_interleave(3, 0), scores.flatten()
    ours = torch.cat([scores[:, None] * 1000, labels[:, None] * 1000, boxes], 1)
    told = torch.cat([theirs.scores[:, None] * 1000, theirs.labels[:, None] * 1000, theirs.bboxes.clamp(0, SIDE)], 1)
    apart = torch.cdist(ours, told, compute_mode="donot_use_mm_for_euclid_dist")
    assert len(ours) == len(told)
    assert max(apart.min(0).values.max(), apart.min(1).values.max()) < 0.01


def test_a_model_reads_bgr_where_its_weights_do():
    swapped, straight = built("rtmdet_tiny"), built("yolof_r50")
    assert swapped.swaps
    assert straight.swaps
    assert not built("retinanet_r18").swaps


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("retinanet_r18", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("rtmdet_tiny", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("fcos_r50", (0.485, 0.4568, 0.4016), (1 / 255, 1 / 255, 1 / 255)),
        ("yolox_nano", (0, 0, 0), (1 / 255, 1 / 255, 1 / 255)),
    ],
)
def test_pixels_are_normalised_in_rgb_as_the_weights_want_them(name: str, mean: tuple, std: tuple):
    found = rule(name, MMDetConfig(imgsz=96))
    assert found.imgsz == 96
    assert found.mean == pytest.approx(mean, abs=0.01)
    assert found.std == pytest.approx(std, abs=0.001)


def test_each_model_drops_boxes_by_its_own_overlap():
    assert [framework(name).suppression for name in ("rtmdet_tiny", "retinanet_r18", "ssdlite_mobilenetv2")] == [
        0.65,
        0.5,
        0.45,
    ]


@pytest.mark.parametrize("name", ["rtmdet_tiny", "retinanet_r18", "ssdlite_mobilenetv2"])
def test_the_backbone_is_frozen_and_neck_and_head_learn(name: str):
    detector = built(name)
    stages = models.stages(name, detector)
    assert len(stages) >= 4
    frozen = freeze(stages, name, "backbone")
    train_mode(detector, frozen)
    learning = {key.split(".")[0] for key, parameter in detector.named_parameters() if parameter.requires_grad}
    assert "backbone" not in learning
    assert "bbox_head" in learning


def test_normalisation_learns_unless_its_stage_is_frozen():
    detector = built("retinanet_r18")
    train_mode(detector, freeze(models.stages("", detector), "", 1))
    backbone = detector.model.backbone
    assert [backbone.bn1.training, backbone.layer1[0].bn1.training, backbone.layer2[0].bn1.training] == [
        False,
        False,
        True,
    ]
    assert backbone.layer2[0].bn1.weight.requires_grad


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco", "DeformConv2dPack"),
        ("deformable-detr_r50_16xb2-50e_coco", "MultiScaleDeformableAttention"),
        ("cornernet_hourglass104_8xb6-210e-mstest_coco", "CornerPool"),
        ("vfnet_r50_fpn_1x_coco", "DeformConv2d"),
    ],
)
def test_a_model_that_needs_compiled_operators_is_refused_with_another(name: str, operator: str):
    with pytest.raises(ConfigInvalid, match=f"{name} needs mmcv's compiled .*{operator}.*rtmdet_tiny"):
        models.build(name, 3)


@pytest.mark.parametrize("name", ["detr_r50_8xb2-150e_coco", "mask-rcnn_r50_fpn_1x_coco", "tood_r50_fpn_1x_coco"])
def test_a_model_whose_answer_is_of_another_kind_is_refused(name: str):
    with pytest.raises(ConfigInvalid, match="choose a listed model"):
        models.build(name, 3)


def test_a_size_that_a_model_cannot_take_is_refused():
    with pytest.raises(ConfigInvalid, match="imgsz=64: ssd300_coco cannot take images of that size"):
        models.build("ssd300_coco", 3, MMDetConfig(imgsz=64))
    assert models.build("ssd300_coco", 3, MMDetConfig(imgsz=320)).losses == ("loss_cls", "loss_bbox")


def test_building_draws_from_torchs_generator_alone():
    first, again, other = (built("rtmdet_tiny", seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)
