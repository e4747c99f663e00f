from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.detection.framework import Target
from eyebright_torch.freezing import freeze
from eyebright_torch.weights import Pretrained, distinct, stored
from eyebright_transformers.detection import models, weights
from eyebright_transformers.detection.config import DetectorConfig
from eyebright_transformers.detection.framework import FRAMEWORK
from eyebright_transformers.detection.sizes import architecture
from eyebright_transformers.instance_segmentation import models as segmenters
from eyebright_transformers.instance_segmentation import weights as segmenter_weights
from eyebright_transformers.instance_segmentation.config import InstanceConfig
from eyebright_transformers.instance_segmentation.sizes import architecture as segmenter_architecture
from eyebright_transformers.tasks import task_named

SMALL = DetectorConfig(imgsz=64, denoising=10)
SMALL_MASKS = InstanceConfig(imgsz=64, queries=8, points=64)
NOTHING = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


def built(name: str, config: DetectorConfig = SMALL, classes: int = 3):
    torch.manual_seed(0)
    return models.build(name, classes, config)


@pytest.mark.parametrize(
    ("task", "name"),
    [(task, model.name) for task in ("detection", "instance_segmentation") for model in task_named(task).info.models],
)
def test_each_size_has_as_many_parameters_as_told(task: str, name: str):
    told_by = task_named(task)
    with torch.device("meta"):
        model = told_by.framework().build(name, 80, told_by.config(), None)
    told = {model.name: model.parameters for model in told_by.info.models}
    assert sum(parameter.numel() for parameter in model.parameters()) == told[name]


@pytest.mark.parametrize("name", ["rtdetr_v2_r18vd", "dfine-n"])
def test_it_answers_boxes_and_scores_of_the_square(name: str):
    boxes, scores = built(name).eval()(torch.rand(2, 3, 64, 64))
    assert boxes.shape[:2] == scores.shape[:2]
    assert (boxes.shape[2], scores.shape[2]) == (4, 3)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (boxes[..., 2:] >= boxes[..., :2]).all()


@pytest.mark.parametrize("name", ["rtdetr_v2_r18vd", "dfine-n"])
def test_a_fresh_head_doubts_every_class(name: str):
    """Else the first steps would do nothing but push scores down."""
    _, scores = built(name, classes=80).eval()(torch.rand(1, 3, 64, 64))
    assert scores.mean() < 0.1


def test_the_largest_dfine_learns_edges_on_the_scale_that_its_weights_have():
    """Its authors trained it on another one than the rest, and the loss asks the configuration, not the weights."""
    assert {name: architecture(name).reg_scale for name in ("dfine-l", "dfine-x")} == {"dfine-l": 4.0, "dfine-x": 8.0}


@pytest.mark.parametrize("name", ["rtdetr_v2_r18vd", "dfine-n"])
@pytest.mark.parametrize("denoising", [0, 10])
def test_every_weight_gets_a_gradient_even_where_no_image_shows_an_object(name: str, denoising: int):
    model = built(name, DetectorConfig(imgsz=64, denoising=denoising)).train()
    losses = model(torch.rand(2, 3, 64, 64), [NOTHING, NOTHING])
    assert set(losses) == {"loss", *model.losses}
    losses["loss"].backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def test_the_backbone_can_be_frozen():
    model = built("rtdetr_v2_r18vd")
    stages = FRAMEWORK.stages("rtdetr_v2_r18vd", model)
    assert len(stages) == 5
    freeze(stages, "rtdetr_v2_r18vd", "backbone")
    learning = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert learning
    assert not [name for name in learning if name.startswith("model.backbone")]


def test_only_a_backbone_that_begins_from_weights_learns_more_slowly():
    model = built("dfine-n")
    for pretrained, shares in ((False, {1.0}), (True, {0.1, 1.0})):
        made = FRAMEWORK.optimizer(DetectorConfig(pretrained=pretrained), model)
        assert {group.get("lr_scale", 1.0) for group in made.param_groups} == shares
        handed = sum(len(group["params"]) for group in made.param_groups)
        assert handed == sum(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(("name", "classes"), [("rtdetr_v2_r18vd", 3), ("dfine-n", 5)])
def test_published_weights_are_taken_but_for_the_classes(
    name: str, classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Even where there are as many of them: they are not the same."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    publisher = built(name, classes=5)
    place = _place(weights.fetch, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    save_file(stored(publisher), place)
    torch.manual_seed(1)
    model = models.build(name, classes, SMALL, weights.fetch(name))
    theirs, ours = distinct(publisher), distinct(model)
    other = [key for key in ours if ours[key].shape != theirs[key].shape or not torch.equal(ours[key], theirs[key])]
    heads = ("class_embed", "model.decoder.class_embed", "model.enc_score", "model.den")
    assert all(key.startswith(heads) for key in other)
    assert {key for key in ours if key.startswith(heads) and key.endswith("weight")} <= set(other)


@pytest.mark.parametrize(
    ("fetch", "name", "address"),
    [
        (weights.fetch, "rtdetr_v2_r50vd", "PekingU/rtdetr_v2_r50vd"),
        (weights.fetch, "dfine-s", "ustc-community/dfine-small-coco"),
        (segmenter_weights.fetch, "mask2former-swin-tiny", "facebook/mask2former-swin-tiny-coco-instance"),
    ],
)
def test_without_a_network_it_says_which_file_belongs_where(
    fetch, name: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", _no_network)
    with pytest.raises(ConfigInvalid, match=rf"{address}.* put it at {tmp_path}.*\.safetensors"):
        fetch(name)


def test_a_mask_has_the_box_around_it():
    inside = torch.zeros(1, 2, 16, 16, dtype=torch.bool)
    inside[0, 0, 4:8, 2:12] = True
    assert segmenters._boxes(inside).tolist() == [[[0.125, 0.25, 0.75, 0.5], [0, 0, 0, 0]]]


def test_a_segmenter_begins_from_weights_but_for_the_classes_and_can_still_be_exported():
    torch.manual_seed(0)
    publisher = segmenters.build("mask2former-swin-nano", 5, SMALL_MASKS)
    torch.manual_seed(1)
    found = Pretrained(stored(publisher), "theirs", "", "", "")
    model = segmenters.build("mask2former-swin-nano", 3, SMALL_MASKS, found)
    theirs, ours = distinct(publisher), distinct(model)
    other = {key for key in ours if ours[key].shape != theirs[key].shape or not torch.equal(ours[key], theirs[key])}
    assert other == {"class_predictor.weight", "class_predictor.bias", "criterion.empty_weight"}
    assert segmenters.backbone(model).config._attn_implementation == "eager"


def test_a_segmenter_looks_for_as_many_objects_as_its_authors_did_unless_told_otherwise():
    found = {size: queries(size, InstanceConfig()) for size in ("nano", "tiny", "large")}
    assert found == {"nano": 100, "tiny": 100, "large": 200}
    assert queries("large", InstanceConfig(queries=7)) == 7


def queries(size: str, config: InstanceConfig) -> int:
    return segmenter_architecture(f"mask2former-swin-{size}", 3, config).num_queries


def test_weights_that_look_for_another_number_of_objects_are_refused_with_what_to_set():
    found = Pretrained(stored(segmenters.build("mask2former-swin-nano", 3, SMALL_MASKS)), "theirs", "", "", "")
    asked = InstanceConfig(imgsz=64, queries=9, points=64)
    with pytest.raises(ConfigInvalid, match=r"queries=9: the weights of theirs look for 8 objects; set queries=0"):
        segmenters.build("mask2former-swin-nano", 3, asked, found)


def test_the_terms_of_weights_that_forbid_commercial_use_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    place = _place(segmenter_weights.fetch, "mask2former-swin-tiny")
    save_file({"anything": torch.zeros(1)}, place)
    assert "forbids commercial use" in segmenter_weights.fetch("mask2former-swin-tiny").terms


def test_of_the_smallest_segmenter_it_says_that_nobody_publishes_weights():
    with pytest.raises(ConfigInvalid, match=r"mask2former-swin-nano.* take mask2former-swin-tiny"):
        segmenter_weights.fetch("mask2former-swin-nano")


def test_a_segmenter_learns_from_images_with_and_without_objects():
    torch.manual_seed(0)
    model = segmenters.build("mask2former-swin-nano", 2, SMALL_MASKS).train()
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[0, 8:40, 10:30] = True
    shown = Target(torch.tensor([[10.0, 8, 30, 40]]), torch.tensor([1]), mask)
    empty = Target(NOTHING.boxes, NOTHING.labels, mask[:0])
    losses = model(torch.rand(2, 3, 64, 64), [shown, empty])
    assert set(losses) == {"loss", *model.losses}
    losses["loss"].backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def _place(fetch, name: str) -> Path:
    """Where the error says that the file belongs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.hub, "download_url_to_file", _no_network)
        with pytest.raises(ConfigInvalid) as refused:
            fetch(name)
    return Path(str(refused.value).partition("put it at ")[2].partition(",")[0])


def _no_network(*_args: object, **_more: object) -> None:
    raise OSError("no network here")
