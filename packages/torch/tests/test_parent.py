"""Training that begins from a registered model."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import PLAIN, fit

from eyebright_kit.data.local import LocalDataset
from eyebright_kit.disk import sha256_of
from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.runtime import Context, Parent
from eyebright_torch import optim
from eyebright_torch.classification import fit as story
from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.testing import Job

STILL = {"lr0": 1e-9, "warmup_epochs": 0, "ema": False}  # it learns next to nothing


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, images: LocalDataset) -> Path:
    """What a training left."""
    run = Job(tmp_path_factory.mktemp("parent"), images, trainer="tiny", model="small").context(epochs=3, seed=5)
    fit(run)
    return run.output


def parent(made: Path, classes: tuple[str, ...] = ("top", "left", "ring")) -> Parent:
    return Parent(
        "mdl_1", "pets@2", "small", classes, made, {"model.safetensors": sha256_of(made / "model.safetensors")}
    )


def weights(run: Context) -> dict[str, torch.Tensor]:
    return load_file(run.output / "model.safetensors")


def distance(run: Context, made: Path, part: str) -> float:
    """The greatest of any tensor of that part of the network."""
    before, after = load_file(made / "model.safetensors"), weights(run)
    return max(float((before[name] - after[name]).abs().max()) for name in before if name.startswith(part))


def test_it_begins_where_the_parent_ended(job: Job, made: Path) -> None:
    run = job.context(parent=parent(made), **STILL)
    fit(run)
    assert distance(run, made, "first.0") < 1e-6
    assert distance(run, made, "head") < 1e-6
    alone = job.context(**STILL)
    fit(alone)
    assert distance(alone, made, "head") > 0.01


@pytest.mark.parametrize("classes", [("left", "top", "ring"), ("top", "left")])
def test_a_head_for_other_classes_begins_afresh_and_that_is_told(
    job: Job, made: Path, classes: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    known = parent(made, classes)
    if len(classes) == 2:
        tensors = load_file(made / "model.safetensors")
        tensors |= {name: tensors[name][:2].clone() for name in ("head.weight", "head.bias")}
        (job.root / "two").mkdir()
        save_file(tensors, job.root / "two" / "model.safetensors")
        known = replace(known, path=job.root / "two")
    run = job.context(parent=known, **STILL)
    fit(run)
    assert distance(run, made, "first.0") < 1e-6
    assert distance(run, made, "head") > 0.01
    assert "pets@2 knows other classes: 2 tensors of its head begin afresh" in caplog.text
    assert "pets@2, but for its head" in (run.output / "model_card.md").read_text()


def test_the_card_tells_of_the_parent(job: Job, made: Path) -> None:
    run = job.context(parent=parent(made), **STILL)
    fit(run)
    card = (run.output / "model_card.md").read_text()
    assert f"pets@2, the model mdl_1, sha256 `{sha256_of(made / 'model.safetensors')}`" in card
    assert "none: trained from random weights" not in card


def test_the_optimiser_is_told_that_there_are_weights_to_begin_from(job: Job, made: Path) -> None:
    """A backbone may then learn more slowly."""
    told: list[bool] = []

    def optimizer(config: ClassificationConfig, model: torch.nn.Module) -> torch.optim.Optimizer:
        told.append(config.pretrained)
        return optim.optimizer(config, model)

    for origin in (parent(made), None):
        story.fit(job.context(parent=origin, epochs=1, **STILL), replace(PLAIN, optimizer=optimizer))
    assert told == [True, False]


def test_weights_of_another_shape_are_refused(job: Job, made: Path) -> None:
    tensors = load_file(made / "model.safetensors")
    tensors["first.0.bias"] = torch.zeros(3)
    (job.root / "odd").mkdir()
    save_file(tensors, job.root / "odd" / "model.safetensors")
    with pytest.raises(ConfigInvalid, match=r"pets@2 do not fit: first.0.bias is 3 there and 8 here"):
        fit(job.context(parent=replace(parent(made), path=job.root / "odd")))


def test_a_model_without_weights_is_refused(job: Job, tmp_path: Path, made: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"pets@2 has no model.safetensors"):
        fit(job.context(parent=replace(parent(made), path=tmp_path / "nothing")))


def test_a_resumed_run_goes_on_from_its_checkpoint(job: Job, made: Path) -> None:
    whole = job.context(parent=parent(made))
    fit(whole)
    first = whole.desk.saved[0]
    resumed = job.context(parent=parent(made), restored=first)
    fit(resumed)
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(whole).items())
