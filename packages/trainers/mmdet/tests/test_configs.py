import pytest

from eyebright_kit.errors import ConfigInvalid
from eyebright_mmdet import configs
from eyebright_mmdet.config import MMDetConfig
from eyebright_mmdet.framework import framework, rule
from eyebright_mmdet.names import SHORT


def parts(value):
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from parts(inner)


@pytest.mark.parametrize("name", SHORT)
def test_each_short_name_is_a_shipped_configuration_that_needs_no_download(name: str):
    told = configs.model(name, 7)
    assert configs.path(name).stem == SHORT[name]
    assert {part["num_classes"] for part in parts(told) if "num_classes" in part} == {7}
    assert not [part for part in parts(told) if (part.get("init_cfg") or {}).get("type") == "Pretrained"]
    assert not [part for part in parts(told) if part.get("type") == "SyncBN" or part.get("frozen_stages", -1) >= 0]


def test_a_configurations_own_name_is_taken_too():
    assert configs.path("retinanet_r50_fpn_1x_coco") == configs.path("retinanet_r50")


@pytest.mark.parametrize(
    "name", ["rtmdet_tny", "../rtmdet/rtmdet_tiny_8xb32-300e_coco", "/etc/passwd", "", "default_runtime"]
)
def test_nothing_but_a_shipped_name_is_a_configuration(name: str):
    with pytest.raises(ConfigInvalid, match=r"MMDetection ships no configuration .*(did you mean|begin with)"):
        configs.path(name)


def test_a_near_name_is_told():
    with pytest.raises(ConfigInvalid, match="did you mean 'rtmdet_tiny'"):
        configs.path("rtmdet_tny")


def test_the_published_weights_of_a_configuration_are_known():
    assert configs.published("rtmdet_tiny") == (
        "https://download.openmmlab.com/mmdetection/v3.0/rtmdet/rtmdet_tiny_8xb32-300e_coco/"
        "rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth"
    )
    assert configs.published("retinanet_r18_fpn_1xb8-1x_coco") is not None
    assert configs.published("retinanet_r50_fpn_1x_voc0712") is None  # its folder has no index


def test_what_published_weights_were_trained_on_is_known():
    assert configs.trained_on("rtmdet_tiny") == "COCO"
    assert configs.trained_on("ssd300_32xb8-36e_openimages") == "Open Images v6"


@pytest.mark.parametrize(
    "name",
    ["detr_r50_8xb2-150e_coco", "bytetrack_yolox_x_8xb4-80e_crowdhuman-mot17halftrain_test-mot17halfval"],
    ids=["without suppression", "around a detector"],
)
def test_a_configuration_that_tells_less_leaves_the_refusal_to_the_building(name: str):
    """What surrounds a model is asked first, and must not break on one that then cannot be built."""
    assert framework(name).suppression is None
    assert rule(name, MMDetConfig()).imgsz == 640


def test_a_backbone_that_would_be_downloaded_begins_from_chance():
    assert configs.model("retinanet_pvt-t_fpn_1x_coco", 3).backbone.init_cfg is None


@pytest.mark.parametrize("name", ["lad_r50-paa-r101_fpn_2xb8_coco_1x", "ld_r18-gflv1-r101_fpn_1x_coco"])
def test_a_model_with_a_teacher_that_would_be_downloaded_is_refused(name: str):
    with pytest.raises(ConfigInvalid, match=f"{name} learns from a teacher, which would be downloaded"):
        configs.model(name, 3)


def test_a_configuration_on_one_that_is_not_shipped_is_refused():
    with pytest.raises(ConfigInvalid, match="no whole detector that this environment can build"):
        configs.model("bytetrack_yolox_x_8xb4-amp-80e_crowdhuman-mot17halftrain_test-mot17test", 3)
