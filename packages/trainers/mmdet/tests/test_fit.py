"""What MMDetection gives to a run; the rest is tested where it is shared."""

import json

import pytest
import torch
from safetensors.torch import load_file, load_model

from eyebright_kit.data.local import LocalDataset
from eyebright_kit.errors import ConfigInvalid
from eyebright_mmdet import models
from eyebright_mmdet.trainer import MMDetTrainer
from eyebright_torch.testing import Job, JobAt, Killed

fit = MMDetTrainer().fit
EPOCHS = 12


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, images: LocalDataset, job_at: JobAt):
    settings = {"epochs": EPOCHS, "batch": 4, "lr0": 0.004, "translate": 0, "flip_vertical": 0.5, "exports": ["onnx"]}
    context = job_at(tmp_path_factory.mktemp("trained"), images).context(**settings)
    return context, fit(context)


def test_it_learns_where_things_are(trained):
    context, result = trained
    losses = [epoch["loss"] for epoch in context.desk.epochs]
    assert len(losses) == EPOCHS
    assert losses[-1] < losses[1] * 0.8  # at first RTMDet's loss rises: boxes that are all wrong weigh little
    assert {"loss_cls", "loss_bbox", "mAP50-95", "mAP50", "precision", "recall"} <= set(context.desk.epochs[-1])
    assert result.metrics["mAP50"] > 0.2


def test_its_export_answers_alike_in_onnxruntime(trained):
    _, result = trained
    (export,) = result.exports
    assert export.parity.max_abs_difference < 0.001
    assert export.parity.native == pytest.approx(export.parity.exported, abs=1e-6)


def test_mmdetections_own_model_takes_the_weights_as_they_are(trained):
    context, _ = trained
    own = models.build("rtmdet_tiny", len(context.data.classes)).model
    assert load_model(own, context.output / "model.safetensors") == (set(), [])


def test_the_card_names_the_trainer_and_the_library(trained):
    context, _ = trained
    card = (context.output / "model_card.md").read_text()
    for fact in ("eyebright-trainer-mmdet 0.1.0", "| mmdet | ", "mmdet's (Apache-2.0)"):
        assert fact in card, fact


def end(context) -> tuple[dict[str, torch.Tensor], object]:
    """Every tensor at the end (model, average, optimiser, best weights) and the result."""
    result = fit(context)
    files = context.desk.saved[-1].path.glob("*.safetensors")
    return {f"{file.stem}/{key}": value for file in files for key, value in load_file(file).items()}, result


@pytest.mark.parametrize("model", ["rtmdet_tiny", "yolox_nano"])
def test_a_killed_run_goes_on_to_the_very_same_end(job: Job, model: str):
    whole, result = end(job.context(model=model, save_every_steps=2))
    first = job.context(model=model, save_every_steps=2, kill_at=5)
    with pytest.raises(Killed):
        fit(first)
    assert first.desk.saved[-1].step == 4
    tensors, resumed = end(job.context(model=model, save_every_steps=2, restored=first.desk.saved[-1]))
    assert resumed == result
    assert [key for key in whole if not torch.equal(whole[key], tensors[key])] == []


def test_a_model_that_cannot_be_had_is_refused_before_an_image_is_read(job: Job):
    with pytest.raises(ConfigInvalid, match="did you mean 'rtmdet_tiny'"):
        fit(job.context(model="rtmdet_tny"))
    with pytest.raises(ConfigInvalid, match="compiled"):
        fit(job.context(model="vfnet_r50_fpn_1x_coco"))
    with pytest.raises(ConfigInvalid, match="does not answer in boxes and scores of fixed shape"):
        fit(job.context(model="detr_r18_8xb2-500e_coco"))


def test_how_pixels_are_wanted_is_told_beside_the_model(trained):
    context, _ = trained
    labels = json.loads((context.output / "labels.json").read_text())
    assert labels["preprocessing"]["mean"] == pytest.approx([0.485, 0.456, 0.406], abs=0.001)
