"""Each kind of detector learns on real digits, and goes on after it was killed as if nothing had happened."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from digits import make_digits
from safetensors.torch import load_file

from eyebright_kit.data.local import LocalDataset
from eyebright_torch.testing import Job, Killed
from eyebright_transformers.manifest import MANIFEST
from eyebright_transformers.trainer import TransformersTrainer
from eyebright_wire.datasets import Split

KINDS = {
    "rtdetr_v2_r18vd": ("detection", {"denoising": 20}),
    "dfine-n": ("detection", {"denoising": 20}),
    "mask2former-swin-nano": ("instance_segmentation", {"queries": 10, "points": 128, "exports": []}),
}
SETTINGS = {"epochs": 3, "imgsz": 64, "batch": 6, "lr0": 0.0003, "flip": 0, "ema": False}


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> LocalDataset:
    return make_digits(tmp_path_factory.mktemp("digits"), {Split.TRAIN: 18, Split.VAL: 5})


@pytest.mark.timeout(900)
@pytest.mark.parametrize("model", KINDS)
def test_its_loss_falls_and_a_killed_run_goes_on_exactly(tmp_path: Path, streets: LocalDataset, model: str):
    task, special = KINDS[model]
    job = Job(tmp_path, streets, MANIFEST.name, model, {**SETTINGS, **special}, task)
    whole = job.context()
    expected = TransformersTrainer().fit(whole)
    losses = [epoch["loss"] for epoch in whole.desk.epochs]
    assert losses[-1] < losses[0] * 0.9
    _drop_checkpoints(whole)  # some are near a gigabyte
    first = job.context(kill_at=5)
    with pytest.raises(Killed):
        TransformersTrainer().fit(first)
    assert first.desk.saved[-1].step == 3
    second = job.context(restored=first.desk.saved[-1])
    assert TransformersTrainer().fit(second).metrics == expected.metrics
    ours, theirs = weights(whole), weights(second)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for context in (first, second):
        _drop_checkpoints(context)


def _drop_checkpoints(context: Any) -> None:
    for saved in context.desk.saved:
        shutil.rmtree(saved.path)


def weights(context: Any) -> dict[str, torch.Tensor]:
    return load_file(context.output / "model.safetensors")
