"""What the manifest tells of MMDetection's models is what the framework says."""

import pytest

from eyebright_mmdet import configs, survey
from eyebright_mmdet.manifest import MANIFEST

(TASK,) = MANIFEST.tasks


def test_every_configuration_is_told_of_once():
    assert sorted([*TASK.more_models, *TASK.refused_models]) == configs.names()


@pytest.mark.parametrize(
    "name",
    [
        "retinanet_r18_fpn_1x_coco",
        "retinanet_regnetx-3.2GF_fpn_1x_coco",
        "atss_swin-l-p4-w12_fpn_dyhead_ms-2x_coco",
        "vfnet_r50_fpn_1x_coco",
        "faster-rcnn_r50_fpn_1x_coco",
        "deformable-detr_r50_16xb2-50e_coco",
        "bytetrack_yolox_x_8xb4-80e_crowdhuman-mot17halftrain_test-mot17halfval",
    ],
)
def test_a_model_is_told_of_as_it_is(name: str):
    assert survey.reason(name) == TASK.refused_models.get(name)
