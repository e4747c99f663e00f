"""One run in this process, from its order to its files."""

import gc
import json
import logging
from dataclasses import replace
from weakref import ref

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from eyebright_diffusion import adapters, built, latents, optim
from eyebright_diffusion.buckets import Size
from eyebright_diffusion.config import LoraConfig
from eyebright_diffusion.files import DIFFUSERS
from eyebright_diffusion.fit import hardware_for
from eyebright_diffusion.task import TextToImage
from eyebright_diffusion.trainer import DiffusionTrainer
from eyebright_kit.data.local import LocalDataset
from eyebright_kit.errors import ConfigInvalid, DatasetInvalid, OutOfMemory
from eyebright_kit.runtime import Stopped, StopReason
from eyebright_torch import hardware
from eyebright_torch.hardware import Hardware
from eyebright_torch.learner import Learner
from eyebright_torch.testing import Killed
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Resources

EVERYTHING = {
    "epochs": 3,
    "save_every_steps": 1,
    "save_every_epochs": 2,
    "train_text_encoder": True,
    "dropout": 0.2,
    "min_snr_gamma": 5.0,
    "noise_offset": 0.1,
    "accumulate": 2,
    "ema": True,
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "learning_rate": 0.01,
    "gradient_checkpointing": False,
}

fit = DiffusionTrainer().fit


def weights(context) -> dict[str, torch.Tensor]:
    return load_file(context.output / DIFFUSERS)


def like(data: LocalDataset, split: Split = Split.TRAIN, **changes: object) -> LocalDataset:
    """The same pictures with something else said of each."""
    told = tuple(replace(sample, **changes) for sample in data.samples(Split.TRAIN))
    return LocalDataset(data.root, data.classes, {**data.splits, split: told})


def with_data(context, data: LocalDataset):
    return replace(context, data=data)


def test_a_run_tells_its_loss_and_its_epochs(job):
    context = job.context()
    result = fit(context)
    assert result.metrics["epochs"] == 2
    assert 0.1 < result.metrics["loss"] < 10
    assert set(context.desk.epochs[0]) == {"loss", "lr", "fixed_loss"}


def test_killed_anywhere_and_resumed_it_ends_with_the_same_weights(job):
    """With all that has a memory or draws numbers: average, optimiser, dropout, schedule, noise, two networks."""
    whole, first = job.context(**EVERYTHING), job.context(kill_at=4, **EVERYTHING)
    result = fit(whole)
    with pytest.raises(Killed):
        fit(first)
    assert first.desk.saved[-1].step == 3
    again = job.context(restored=first.desk.saved[-1], **EVERYTHING)
    assert fit(again) == result
    assert (again.output / DIFFUSERS).read_bytes() == (whole.output / DIFFUSERS).read_bytes()


def test_stopped_between_its_checkpoints_it_leaves_one(job):
    context = job.context(stop_at=2, epochs=4, save_every_epochs=4)
    with pytest.raises(Stopped):
        fit(context)
    assert [saved.step for saved in context.desk.saved] == [2]


def test_stopped_while_the_framework_is_loaded_it_begins_nothing(job):
    context = replace(job.context(), stop_reason=lambda: StopReason.CANCEL)
    with pytest.raises(Stopped):
        DiffusionTrainer().fit(context)
    assert context.desk.stages == []


def test_stopped_while_its_average_is_judged_and_resumed_it_ends_with_the_same_weights(job):
    given = {"ema": True, "learning_rate": 0.05}
    whole, first = job.context(**given), job.context(stop_at=3, **given)
    fit(whole)
    with pytest.raises(Stopped):
        fit(first)
    stopped = first.desk.saved[-1]
    assert (stopped.epoch, stopped.step) == (0, 3)  # all steps of the first epoch are made, and it is not yet told
    again = job.context(restored=stopped, **given)
    fit(again)
    assert (again.output / DIFFUSERS).read_bytes() == (whole.output / DIFFUSERS).read_bytes()


def test_a_checkpoint_holds_the_adapters_and_nothing_of_the_base(job):
    context = job.context(ema=True)
    fit(context)
    saved = {file.name: load_file(file) for file in context.desk.saved[-1].path.glob("*.safetensors")}
    names = saved["model.safetensors"].keys() | saved["ema.safetensors"].keys()
    assert all("lora_" in name or name == "base_sha256" for name in names)
    assert sum(file.stat().st_size for file in context.desk.saved[-1].path.iterdir()) < 200_000


def test_epochs_are_closed_as_often_as_is_asked(job):
    context = job.context(epochs=5, save_every_epochs=2)
    fit(context)
    assert [saved.epoch for saved in context.desk.saved] == [2, 4, 5]
    assert ["fixed_loss" in epoch for epoch in context.desk.epochs] == [False, True, False, True, True]


def test_autoencoder_and_text_encoder_have_left_memory_when_training_begins(job, monkeypatch):
    made, alive = [], []
    for part in ("vae", "text_encoder", "unet"):
        make = getattr(built.Built, part)

        def noted(self, *given, make=make, part=part):
            network = make(self, *given)
            made.append((part, ref(network)))
            return network

        monkeypatch.setattr(built.Built, part, noted)
    batches = TextToImage.batches

    def watched(self, steps, epoch):
        gc.collect()
        alive.append({part for part, network in made if network() is not None})
        return batches(self, steps, epoch)

    monkeypatch.setattr(TextToImage, "batches", watched)
    fit(job.context())
    assert {part for part, _ in made} == {"vae", "text_encoder", "unet"}
    assert alive == [{"unet"}, {"unet"}]
    fit(job.context(train_text_encoder=True))
    assert alive[-1] == {"unet", "text_encoder"}


def test_each_image_and_each_text_is_encoded_once(job, monkeypatch):
    asked = []
    encode = built.AutoencoderKL.encode
    monkeypatch.setattr(built.AutoencoderKL, "encode", lambda *given: asked.append(1) or encode(*given))
    fit(job.context(epochs=3))
    assert len(asked) == 6


def test_batches_that_are_accumulated_make_one_step(job, monkeypatch):
    """Six images in three shapes, of which no pass has two."""
    passes = []
    forward = adapters.Adapters.forward

    def watched(self, noisy, *rest):
        if torch.is_grad_enabled():
            passes.append(noisy.shape)
        return forward(self, noisy, *rest)

    monkeypatch.setattr(adapters.Adapters, "forward", watched)
    context = job.context(batch=2, accumulate=9, epochs=1, resolution=192)
    fit(context)
    assert context.desk.progress_made[-1].steps == 1
    assert sum(images for images, *_ in passes) == 6
    assert len({shape[2:] for shape in passes}) == 3
    assert max(images for images, *_ in passes) <= 2


def test_an_image_is_shown_as_often_as_its_folder_says(job, images):
    context = with_data(job.context(epochs=1, batch=1), like(images, repeats=3))
    fit(context)
    assert context.desk.progress_made[-1].steps == 18


def test_the_last_epochs_weights_are_delivered_where_nothing_says_which_are_best(job):
    context = job.context(epochs=3)
    result = fit(context)
    last = load_file(context.desk.saved[-1].path / "model.safetensors")
    mine = weights(context)
    assert result.metrics["best_epoch"] == 3
    assert sorted(tensor.sum().item() for tensor in mine.values()) == sorted(
        tensor.sum().item() for name, tensor in last.items() if "lora_" in name
    )


def test_a_validation_split_chooses_the_epoch(job, images, monkeypatch):
    losses = iter([3.0, 1.0, 2.0, 2.5])
    monkeypatch.setattr(TextToImage, "_mean_loss", lambda *_: next(losses))
    context = with_data(job.context(epochs=9, patience=2), like(images, Split.VAL))
    result = fit(context)
    assert (result.metrics["best_epoch"], result.metrics["epochs"], result.metrics["val_loss"]) == (2, 4, 1.0)


def test_the_average_is_delivered_where_it_is_on(job):
    context = job.context(ema=True, learning_rate=0.05)
    fit(context)
    saved = {stem: load_file(context.desk.saved[-1].path / f"{stem}.safetensors") for stem in ("ema", "model")}
    sums = {stem: sorted(t.sum().item() for n, t in told.items() if "lora_" in n) for stem, told in saved.items()}
    mine = sorted(tensor.sum().item() for tensor in weights(context).values())
    assert mine == sums["ema"] != sums["model"]


def test_a_changed_base_is_refused_when_a_run_goes_on(job, monkeypatch):
    first = job.context(kill_at=4, save_every_steps=2)
    with pytest.raises(Killed):
        fit(first)
    monkeypatch.setattr(built, "TINY", replace(built.TINY, seed=21))
    with pytest.raises(ConfigInvalid, match="another one than this run began with"):
        fit(job.context(restored=first.desk.saved[-1]))


def test_an_image_with_neither_caption_nor_trigger_word_is_named(job):
    with pytest.raises(ConfigInvalid, match=r"3 of 6 images have no caption, such as 000000.png.*set trigger"):
        fit(job.context(trigger=""))


def test_a_caption_that_is_too_long_is_told_once(job, images, caplog):
    context = with_data(job.context(), like(images, caption="many words " * 30))
    with caplog.at_level(logging.WARNING):
        fit(context)
    (said,) = [record.getMessage() for record in caplog.records if "tokens" in record.getMessage()]
    assert "77" in said


def test_a_broken_picture_is_named(job, images, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no")
    broken = replace(images.samples(Split.TRAIN)[0], path=tmp_path / "broken.png", source="broken.png")
    with pytest.raises(DatasetInvalid, match=r"broken\.png cannot be decoded"):
        fit(with_data(job.context(), LocalDataset(images.root, (), {Split.TRAIN: (broken,)})))


def test_a_scan_of_16_bits_is_learned_from_as_the_same_of_8(images, tmp_path):
    grey = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) // 16
    for name, values in (("16.png", grey * 256), ("8.png", grey.astype(np.uint8))):
        Image.fromarray(values).save(tmp_path / name)
    sample, cpu = images.samples(Split.TRAIN)[0], Hardware(torch.device("cpu"), None, 1)
    scans = [replace(sample, path=tmp_path / name) for name in ("16.png", "8.png")]
    sixteen, eight = latents.encoded(built.TINY.vae(), scans, [Size(64, 64)] * 2, cpu, lambda: None).kept
    assert torch.equal(sixteen, eight)


def test_devices_that_wait_are_told(job, caplog, monkeypatch):
    monkeypatch.setattr(hardware.torch.cuda, "is_available", lambda: False)
    context = job.context()
    two = context.spec.model_copy(update={"resources": Resources(threads=1, devices=(0, 1))})
    with pytest.raises(ConfigInvalid, match="no CUDA device"):
        fit(replace(context, spec=two))
    assert "CUDA device 0 learns, and 1 waits" in caplog.text


def test_memory_that_runs_out_is_told_with_the_settings_to_lower(job, monkeypatch):
    def starve(*_given, **_named):
        raise MemoryError

    monkeypatch.setattr(Learner, "step", starve)
    with pytest.raises(OutOfMemory, match="batch=2 at resolution=64"):
        fit(job.context())


def test_prompts_become_pictures_on_the_way_and_at_the_end(job):
    context = job.context(
        epochs=4,
        save_every_epochs=4,
        validation_prompts=["sks", "a dog"],
        validation_every_epochs=2,
        validation_steps=2,
    )
    fit(context)
    drawn = sorted(name for name in context.desk.artifacts if name.startswith("prompts"))
    assert drawn == ["prompts-epoch-0002.png", "prompts-epoch-0004.png", "prompts.png"]
    for name in drawn:
        with Image.open(context.output / name) as sheet:
            assert sheet.width > 300


def test_drawing_on_the_way_changes_no_weight(job):
    plain, drawing = (
        job.context(),
        job.context(validation_prompts=["sks"], validation_every_epochs=1, validation_steps=1),
    )
    fit(plain)
    fit(drawing)
    assert (plain.output / DIFFUSERS).read_bytes() == (drawing.output / DIFFUSERS).read_bytes()


def test_half_precision_learns_adapters_in_full(job):
    context = job.context(amp="bf16", epochs=1, train_text_encoder=True, ema=True)
    result = fit(context)
    assert 0.1 < result.metrics["loss"] < 10
    assert {tensor.dtype for tensor in weights(context).values()} == {torch.float32}


def test_eight_bits_are_refused_where_they_are_not_to_be_had(job):
    with pytest.raises(ConfigInvalid, match="bitsandbytes"):
        fit(job.context(optimizer="AdamW8bit"))


def test_eight_bits_are_chosen_only_with_both_cuda_and_the_package(monkeypatch):
    monkeypatch.setattr(optim, "find_spec", lambda _: True)
    config = adapters.LoraConfig()
    assert optim._eight_bits(config, torch.device("cuda"))
    assert not optim._eight_bits(config, torch.device("cpu"))
    assert not optim._eight_bits(config.model_copy(update={"optimizer": "AdamW"}), torch.device("cuda"))


def test_the_card_tells_the_base_its_hash_and_the_settings(job):
    context = job.context()
    fit(context)
    card = (context.output / "model_card.md").read_text()
    labels = json.loads((context.output / "labels.json").read_text())
    for fact in (
        "eyebright-trainer-diffusion 0.1.0",
        "diffusers",
        '"rank": 2',
        "8 / 2",
        labels["base_model"]["sha256"],
    ):
        assert fact in card, fact


def test_the_base_is_what_it_was(job):
    """Only adapters learn: the same base, asked again, is the same."""
    before = built.TINY.unet().state_dict()
    fit(job.context(learning_rate=0.1))
    after = built.TINY.unet().state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("can", "amp", "precision"),
    [
        ({"avx512_bf16": True}, "auto", torch.bfloat16),
        ({"amx_bf16": True}, "auto", torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False}, "auto", None),
        ({}, "auto", None),
        ({"avx512_bf16": True}, "off", None),
        ({}, "bf16", torch.bfloat16),
    ],
)
def test_a_cpu_computes_in_bf16_if_it_has_instructions_for_it(
    can: dict[str, bool], amp: str, precision: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can)
    config = LoraConfig.model_validate({"amp": amp, "trigger": "sks", "device": "cpu"})
    assert hardware_for(config, Resources()).precision is precision
