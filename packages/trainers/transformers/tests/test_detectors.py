from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.detection.framework import Target
from eyebright_torch.freezing import freeze
from eyebright_torch.weights import distinct, stored
from eyebright_transformers.detection import models, weights
from eyebright_transformers.detection.config import DetectorConfig
from eyebright_transformers.detection.framework import FRAMEWORK
from eyebright_transformers.tasks import TASKS

SMALL = DetectorConfig(imgsz=64, denoising=10)
NOTHING = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


def built(name: str, config: DetectorConfig = SMALL, classes: int = 3):
    torch.manual_seed(0)
    return models.build(name, classes, config)


@pytest.mark.parametrize(
    ("task", "name"),
    [(task, model.name) for task in TASKS if task.info.name == "detection" for model in task.info.models],
)
def test_each_size_has_as_many_parameters_as_told(task, name: str):
    model = built(name, classes=80)
    told = {model.name: model.parameters for model in task.info.models}
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


@pytest.mark.parametrize("name", ["rtdetr_v2_r18vd", "dfine-n"])
def test_published_weights_are_taken_but_for_the_classes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    publisher = built(name, classes=5)
    place = _place(weights.fetch, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    save_file(stored(publisher), place)
    torch.manual_seed(1)
    model = models.build(name, 3, SMALL, weights.fetch(name))
    theirs, ours = distinct(publisher), distinct(model)
    other = [key for key in ours if ours[key].shape != theirs[key].shape or not torch.equal(ours[key], theirs[key])]
    assert other
    assert all(
        key.startswith(("class_embed", "model.decoder.class_embed", "model.enc_score", "model.den")) for key in other
    )


@pytest.mark.parametrize(
    ("fetch", "name", "address"),
    [
        (weights.fetch, "rtdetr_v2_r50vd", "PekingU/rtdetr_v2_r50vd"),
        (weights.fetch, "dfine-s", "ustc-community/dfine-small-coco"),
    ],
)
def test_without_a_network_it_says_which_file_belongs_where(
    fetch, name: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", _no_network)
    with pytest.raises(ConfigInvalid, match=rf"{address}.* put it at {tmp_path}.*\.safetensors"):
        fetch(name)


def _place(fetch, name: str) -> Path:
    """Where the error says that the file belongs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.hub, "download_url_to_file", _no_network)
        with pytest.raises(ConfigInvalid) as refused:
            fetch(name)
    return Path(str(refused.value).partition("put it at ")[2].partition(",")[0])


def _no_network(*_args: object, **_more: object) -> None:
    raise OSError("no network here")
