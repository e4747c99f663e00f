"""The model card of a LoRA: what it was learned from, how it is used, and everything that is needed to make it again."""

import json
from importlib.metadata import version

import torch

from eyebright_diffusion.base import Base
from eyebright_diffusion.config import LoraConfig
from eyebright_diffusion.files import DIFFUSERS, KOHYA
from eyebright_kit.runtime.markdown import code
from eyebright_torch.card import cell, table
from eyebright_torch.hardware import Hardware
from eyebright_torch.state import RunState
from eyebright_wire.jobs import JobSpec

_TRAINER = "eyebright-trainer-diffusion"
_PACKAGES = ("torch", "diffusers", "peft", "transformers", "numpy", "pillow")


def card(spec: JobSpec, config: LoraConfig, hardware: Hardware, base: Base, state: RunState) -> str:
    """Markdown."""
    sections = (
        f"# LoRA of {cell(spec.dataset.name)} for {cell(base.name)}\n\nAdapters for Stable Diffusion, trained by Eyebright.",
        _use(config),
        _results(state),
        _data(spec),
        _training(config, hardware),
        _origin(spec, base),
        _licence(base),
    )
    return "\n\n".join(sections) + "\n"


def _use(config: LoraConfig) -> str:
    called = (
        f"Call it by `{cell(config.trigger)}` in a prompt." if config.trigger else "Prompts like the captions call it."
    )
    return "\n".join(
        (
            "## Use",
            "",
            f"{called} Its strength is alpha / rank = {config.alpha:g} / {config.rank}, which both files carry.",
            "",
            f"- diffusers: `pipeline.load_lora_weights(folder, weight_name={DIFFUSERS!r})`",
            f"- other programs that read kohya's form: `{KOHYA}`",
        )
    )


def _results(state: RunState) -> str:
    record = next(record for record in state.history if record.epoch == state.best_epoch)
    rows = ((name, f"{value:.5g}") for name, value in record.metrics.items())
    where = f"These are the weights of epoch {record.epoch} of {len(state.history)}."
    return f"## Results\n\n{where}\n\n{table(('metric', 'value'), rows)}"


def _data(spec: JobSpec) -> str:
    data = spec.dataset
    rows = (
        ("name", cell(data.name)),
        ("version", data.version_id),
        ("content hash (sha256)", f"`{data.manifest_sha256}`"),
    )
    return f"## Data\n\n{table(('', ''), rows)}"


def _training(config: LoraConfig, hardware: Hardware) -> str:
    told = json.dumps(config.model_dump(mode="json"), indent=2)
    precision = str(hardware.precision or torch.float32).removeprefix("torch.")
    return f"## Training\n\nOn {hardware.device.type}, {precision}, seed {config.seed}.\n\n```json\n{told}\n```"


def _origin(spec: JobSpec, base: Base) -> str:
    rows = [
        ("job", f"{spec.job_id}, attempt {spec.attempt}"),
        ("trainer", f"{_TRAINER} {version(_TRAINER)}"),
        *((name, version(name)) for name in _PACKAGES),
        *((cell(name), code(value)) for name, value in sorted(spec.provenance.items())),
        ("base model", f"{cell(base.name)}, {cell(base.source)}, sha256 `{base.sha256}`"),
        *((cell(file), f"sha256 `{sha256}`") for file, sha256 in base.hashes.items()),
    ]
    return f"## Origin\n\n{table(('', ''), rows)}"


def _licence(base: Base) -> str:
    return (
        f"## Licence\n\n{base.terms} What else may be done is for the owner of the data above to say. The architecture's code is "
        "diffusers' (Apache-2.0); the trainer is Apache-2.0."
    )
