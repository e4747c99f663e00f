import json
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file
from tiny import fit

from eyebright_kit.errors import ConfigInvalid, DatasetInvalid, NanLoss, OutOfMemory
from eyebright_torch import loop, memory
from eyebright_torch.classification import evaluate
from eyebright_torch.classification.metrics import Scores
from eyebright_torch.testing import make_images
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage

OPTIMISERS = ["Adam", "AdamW", "SGD"]


def final(context) -> dict[str, torch.Tensor]:
    return load_file(context.output / "model.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("optimizer", OPTIMISERS)
def test_the_loss_falls_with_each_optimiser(job, optimizer: str):
    plain = {"flip": 0, "crop_scale": 1, "brightness": 0, "contrast": 0, "saturation": 0, "schedule": "constant"}
    context = job.context(epochs=12, optimizer=optimizer, lr0=0.05 if optimizer == "SGD" else 0.01, **plain)
    result = fit(context)
    losses = [metrics["loss"] for metrics in context.desk.epochs]
    assert losses[-1] < losses[0] * 0.7
    assert result.metrics["top1"] >= 0.6


def test_the_same_seed_gives_the_same_weights_with_any_workers_and_cache(job):
    contexts = [
        job.context(seed=3),
        job.context(seed=3, workers=3, cache="off"),
        job.context(seed=4),
    ]
    for context in contexts:
        tiny.fit_varied(context)
    first, again, other = (final(context) for context in contexts)
    assert same(first, again)
    assert not same(first, other)


def test_a_run_tells_its_stages_epochs_and_numbers(job):
    context = job.context(epochs=3, save_every_steps=3)
    result = fit(context)
    assert context.desk.stages == [Stage.VALIDATING, Stage.TRAINING, Stage.EVALUATING, Stage.EXPORTING]
    finished = [progress for progress in context.desk.progress_made if progress.epoch_finished]
    assert [progress.epoch for progress in finished] == [1, 2, 3]
    assert [progress.step for progress in finished] == [4, 8, 12]
    assert {progress.steps for progress in finished} == {12}
    assert set(finished[0].metrics) == {"loss", "train_top1", "val_loss", "top1", "lr"}
    assert [saved.step for saved in context.desk.saved] == [3, 4, 6, 8, 9, 12]
    assert [saved.epoch for saved in context.desk.saved] == [0, 1, 1, 2, 2, 3]
    assert set(result.metrics) == {"val_loss", "top1", "macro_f1", "best_epoch", "epochs"}


def test_the_final_weights_are_the_best_ones(job, monkeypatch: pytest.MonkeyPatch):
    """Of three epochs the second is told to be the best; the average after it is what must come out."""
    scores = iter([Scores(1.0, 0.5), Scores(0.9, 0.9), Scores(0.1, 0.7)])
    seen = []

    def told(model: torch.nn.Module, *_args: object) -> Scores:
        seen.append({key: value.clone() for key, value in model.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(evaluate, "score", told)
    context = job.context(epochs=3)
    assert fit(context).metrics["best_epoch"] == 2
    assert same(final(context), seen[1])
    assert not same(final(context), seen[2])


def test_patience_ends_a_run_that_does_not_get_better(job):
    context = job.context(epochs=30, patience=2, optimizer="SGD", lr0=1e-9, momentum=0.0, freeze="backbone", ema=False)
    result = fit(context)
    assert result.metrics["epochs"] < 30
    assert result.metrics["epochs"] == result.metrics["best_epoch"] + 2


def test_frozen_weights_stay_as_they_were(job):
    contexts = [
        job.context(freeze="backbone", epochs=1, ema=False),
        job.context(freeze="backbone", epochs=2, ema=False),
    ]
    for context in contexts:
        fit(context)
    first, second = (final(context) for context in contexts)
    assert torch.equal(first["second.0.weight"], second["second.0.weight"])
    assert torch.equal(first["second.1.running_mean"], second["second.1.running_mean"])
    assert not torch.equal(first["head.weight"], second["head.weight"])


def test_everything_that_was_promised_is_delivered(job):
    context = job.context(exports=["onnx"], epochs=1)
    result = fit(context)
    assert context.desk.artifacts == {
        "model.safetensors": ArtifactKind.MODEL,
        "model.pth": ArtifactKind.MODEL,
        "model.onnx": ArtifactKind.EXPORT,
        "labels.json": ArtifactKind.LABELS,
        "config.json": ArtifactKind.CONFIG,
        "metrics.json": ArtifactKind.METRICS,
        "confusion_matrix.png": ArtifactKind.PICTURE,
        "curves.png": ArtifactKind.PICTURE,
        "mistakes.png": ArtifactKind.PICTURE,
        "model_card.md": ArtifactKind.CARD,
    }
    assert all((context.output / name).stat().st_size > 100 for name in context.desk.artifacts)
    (export,) = result.exports
    assert export.parity.samples == 15
    assert export.parity.max_abs_difference <= export.parity.tolerance
    assert export.parity.agreement == 1
    assert export.parity.native == result.metrics["top1"]
    assert same(final(context), torch.load(context.output / "model.pth", weights_only=True))


def test_the_card_tells_where_the_model_comes_from(job):
    context = job.context(exports=["onnx"], epochs=1, seed=77)
    fit(context)
    card = (context.output / "model_card.md").read_text()
    for fact in (
        "ab" * 32,  # the data
        "cd" * 32,  # the environment's lock
        '"seed": 77',
        "onnxruntime",
        "torch |",
        "eyebright-torch 0.1.0",
        "Apache-2.0",
        "| ring |",
        "trained from random weights",
    ):
        assert fact in card, fact


def test_metrics_json_agrees_with_the_result(job):
    context = job.context(epochs=2)
    result = fit(context)
    metrics = json.loads((context.output / "metrics.json").read_text())
    assert metrics["top1"] == result.metrics["top1"]
    assert metrics["loss"] == result.metrics["val_loss"]
    assert [record["epoch"] for record in metrics["epochs"]] == [1, 2]
    wrong = round((1 - metrics["top1"]) * metrics["samples"])
    assert len(metrics["worst_mistakes"]) == wrong
    assert all(mistake["true"] != mistake["predicted"] for mistake in metrics["worst_mistakes"])


def test_a_loss_that_is_no_number_is_explained(job, monkeypatch: pytest.MonkeyPatch):
    real = loop.Loop._step

    def diverge(self, *args: object) -> None:
        with torch.no_grad():
            next(self.learner.model.parameters()).fill_(float("nan"))
        real(self, *args)

    monkeypatch.setattr(loop.Loop, "_step", diverge)
    context = job.context(lr0=0.5)
    with pytest.raises(NanLoss, match=r"became nan in epoch 1, by step 4.*lower lr0 \(now 0\.5; try 0\.05\)"):
        fit(context)
    assert context.desk.saved == []


def test_a_batch_that_can_never_fit_is_refused_before_training(job, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available_bytes", lambda _device: 4 << 20)
    context = job.context(batch=24, imgsz=224)
    with pytest.raises(OutOfMemory, match=r"batch=24 at imgsz=224 needs about .* set (batch|imgsz)"):
        fit(context)
    assert Stage.TRAINING not in context.desk.stages


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
        ),
        RuntimeError("MPS backend Out Of Memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"),
        MemoryError(),
    ],
)
def test_memory_that_runs_out_in_training_names_the_settings(job, error: Exception, monkeypatch: pytest.MonkeyPatch):
    def fail(*_args: object, **_kwargs: object):
        raise error

    monkeypatch.setattr(loop.Loop, "_step", fail)
    with pytest.raises(OutOfMemory, match="batch=6 at imgsz=32; set batch=3"):
        fit(job.context())


def test_another_error_is_left_as_it_is(job, monkeypatch: pytest.MonkeyPatch):
    def fail(*_args: object, **_kwargs: object):
        raise RuntimeError("something else")

    monkeypatch.setattr(loop.Loop, "_step", fail)
    with pytest.raises(RuntimeError, match="something else"):
        fit(job.context())


def test_a_set_smaller_than_a_batch_is_trained_on_as_one_batch(job, caplog: pytest.LogCaptureFixture):
    whole, larger = job.context(batch=24), job.context(batch=60_000)
    assert fit(whole).metrics == fit(larger).metrics
    assert "batch=60000, but there are 24 training images: each step takes all of them" in caplog.text
    made = [json.loads((run.output / "config.json").read_text())["batch"] for run in (whole, larger)]
    assert made == [24, 24]


@pytest.mark.parametrize(
    ("counts", "classes", "message"),
    [
        ({Split.TRAIN: 8, Split.VAL: 2}, ("only",), r"1 class \(only\); classification needs 2"),
        ({Split.TRAIN: 8}, ("a", "b"), "no validation images"),
        ({Split.VAL: 8}, ("a", "b"), "no training images"),
    ],
)
def test_data_that_cannot_serve_is_refused(
    job,
    tmp_path: Path,
    counts: dict[Split, int],
    classes: tuple[str, ...],
    message: str,
):
    job.data = make_images(tmp_path / "images", counts, classes)
    with pytest.raises(DatasetInvalid, match=message):
        fit(job.context())


def test_a_stage_that_the_model_lacks_cannot_be_frozen(job):
    with pytest.raises(ConfigInvalid, match="freeze=20"):
        fit(job.context(freeze=20))
