import pytest
import timm
import torch

from eyebright_kit.errors import ConfigInvalid
from eyebright_timm import models
from eyebright_timm.config import TimmConfig
from eyebright_timm.framework import rule
from eyebright_timm.manifest import MANIFEST
from eyebright_torch.freezing import freeze, train_mode
from eyebright_torch.weights import Pretrained

NAMES = [info.name for info in MANIFEST.tasks[0].models]
SMALL = TimmConfig(imgsz=64)


def built(name: str, config: TimmConfig = SMALL, classes: int = 7) -> torch.nn.Module:
    with torch.device("meta"):
        return models.build(name, classes, config)


def test_the_models_have_as_many_parameters_as_told():
    config = TimmConfig(imgsz=224)
    found = {name: sum(p.numel() for p in built(name, config, 1000).parameters()) for name in NAMES}
    assert found == {info.name: info.parameters for info in MANIFEST.tasks[0].models}


@pytest.mark.parametrize("name", NAMES)
def test_the_head_has_one_output_for_each_class_and_the_rest_are_stages(name: str):
    model = built(name)
    assert model.eval()(torch.zeros(2, 3, 64, 64, device="meta")).shape == (2, 7)
    stages = models.stages(name, model)
    assert len(stages) >= 3
    freeze(stages, name, "backbone")
    learning = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {f"{model.pretrained_cfg['classifier']}.{part}" for part in ("weight", "bias")}


def test_a_model_that_does_not_tell_its_stages_is_frozen_by_its_children():
    stages = models.stages("caformer_s18", model := built("caformer_s18"))
    freeze(stages, "caformer_s18", 1)
    assert {key.partition(".")[0] for key, p in model.named_parameters() if not p.requires_grad} == {"stem"}


def test_a_transformers_tokens_are_frozen_with_its_first_stage():
    model = built("vit_tiny_patch16_224")
    frozen = freeze(models.stages("vit_tiny_patch16_224", model), "vit_tiny_patch16_224", 1)
    train_mode(model, frozen)
    assert not model.get_parameter("pos_embed").requires_grad
    assert model.get_parameter("blocks.0.norm1.weight").requires_grad


def test_a_model_that_timm_does_not_have_is_refused_with_the_nearest():
    with pytest.raises(ConfigInvalid, match="timm has no model 'resnet181'; did you mean 'resnet18'"):
        models.build("resnet181", 3, SMALL)


def test_what_timm_refuses_is_told_with_the_settings():
    with pytest.raises(ConfigInvalid, match=r"timm cannot build vgg11 with imgsz=64, drop=0, drop_path=0\.1"):
        built("vgg11", TimmConfig(imgsz=64, drop_path=0.1))


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("rdnet_tiny", "stem.0.weight"),  # does not tell its stages
        ("pit_ti_224", "pos_embed"),  # passes over this one
        ("qwen3_vit_88m", "encoder.pos_embed"),  # the later stages lie where this one does
    ],
)
def test_a_stage_has_all_that_comes_before_the_next_and_nothing_of_it(name: str, parameter: str):
    told = timm.get_pretrained_cfg(name)
    model = built(name, TimmConfig(imgsz=told.input_size[-1]))
    stages = models.stages(name, model)
    owners = [{id(p) for part in stage for p in _parameters(part)} for stage in stages]
    assert id(model.get_parameter(parameter)) in owners[0]
    assert sum(map(len, owners)) == len(set().union(*owners))
    classifier = {id(p) for p in model.get_classifier().parameters()}
    assert set().union(*owners) | classifier == {id(p) for p in model.parameters()}


def _parameters(part: torch.nn.Module | torch.nn.Parameter) -> list[torch.nn.Parameter]:
    return list(part.parameters()) if isinstance(part, torch.nn.Module) else [part]


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return timm.create_model("vit_tiny_patch16_224").state_dict()


@pytest.mark.parametrize("classes", [7, 1000])
def test_given_weights_everything_but_the_head_is_theirs_even_at_another_size(tensors, classes: int):
    """Even where there are as many classes: they are not the same."""
    given = Pretrained(tensors, "vit_tiny", "file", "0", "")
    model = models.build("vit_tiny_patch16_224", classes, SMALL, given).state_dict()
    assert torch.equal(model["blocks.3.attn.qkv.weight"], tensors["blocks.3.attn.qkv.weight"])
    assert model["pos_embed"].shape == (1, 17, 192)
    assert model["head.weight"].shape == (classes, 192)
    assert not torch.equal(model["head.weight"], tensors["head.weight"])


def test_weights_of_another_model_are_refused(tensors):
    lacking = {name: tensor for name, tensor in tensors.items() if not name.startswith("blocks.3.")}
    with pytest.raises(ConfigInvalid, match=r"of vit_tiny do not fit vit_tiny_patch16_224 .*blocks\.3\."):
        models.build("vit_tiny_patch16_224", 7, SMALL, Pretrained(lacking, "vit_tiny", "file", "0", ""))


def test_images_are_normalised_and_resized_as_the_weights_want_them():
    vit = rule("vit_tiny_patch16_224", TimmConfig(imgsz=96))
    assert (vit.imgsz, vit.mean, vit.interpolation) == (96, (0.5, 0.5, 0.5), "bicubic")
    assert rule("resnet18", TimmConfig(interpolation="bilinear")).interpolation == "bilinear"


def test_the_manifest_knows_every_model_of_timm_and_no_other() -> None:
    (task,) = MANIFEST.tasks
    assert list(task.more_models) == timm.list_models()
    assert task.offers("resnet18.a1_in1k")
    assert not task.offers("resnet181")
