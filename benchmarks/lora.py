"""How quick a LoRA of Stable Diffusion is learned, and in how much memory: the full-size architecture with random weights.

Ours against the step of diffusers' published example, `lora_example`: the same network, adapters and optimiser, in turns, in one
process, on the same images. On the CPU once as each comes, that is ours in the precision that it finds best there and the example
in float32, and once both in float32. Ours asked the autoencoder and the text encoder once, before the first step; over a run of a
hundred epochs that is a hundredth of what the example spends on them, and is not counted. Neither recomputes activations
(gradient checkpointing), as the example does not. The figure is (the example's fastest step ÷ our fastest step). The fastest
and not the median, because whatever else the machine does can only slow a step down.

On a GPU in fp16 at 512 pixels too, and there a whole run besides: 10 images, 100 epochs, batch 1, with and without gradient
checkpointing. Its memory is what torch took from the GPU at its peak, from the first image to the last checkpoint.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figure import Family, Figure
from benchmarks.pictures import photographs
from benchmarks.spread import middle, say
from benchmarks.training import in_environment, python_of

_GB = 10**9


@dataclass(frozen=True)
class Lora:
    """One run. `rival`: the example takes turns with ours after each epoch; without it, none."""

    images: int
    epochs: int
    resolution: int
    device: str = "cpu"
    amp: str = "auto"
    checkpointing: bool = False
    rival: bool = True

    @property
    def config(self) -> dict[str, Any]:
        return {
            "epochs": self.epochs,
            "resolution": self.resolution,
            "amp": self.amp,
            "gradient_checkpointing": self.checkpointing,
            "trigger": "sks",
            "optimizer": "AdamW",
            "save_every_epochs": 1 if self.rival else 10,
        }


ON_CPU = Lora(images=2, epochs=6, resolution=256)
ALIKE = replace(ON_CPU, amp="off")
ON_GPU = Lora(images=10, epochs=6, resolution=512, device="cuda", amp="fp16")
WHOLE = Lora(images=10, epochs=100, resolution=512, device="cuda", amp="fp16", checkpointing=True, rival=False)


def took(lora: Lora) -> Mapping[str, Any]:
    """Seconds of each contender's steps, bytes at the peak, seconds of all. Raises NotHere without the trainer or its device."""
    python = python_of("diffusion")
    with tempfile.TemporaryDirectory(prefix="eyebright-bench-") as scratch:
        folder = Path(scratch)
        side = lora.resolution + 64
        data = photographs(folder / "pictures", train=lora.images, val=1, size=(side, side))
        order = {**asdict(lora), "data": str(data), "config": lora.config}
        return in_environment(python, "benchmarks.lora_in_turn", folder, order, device=lora.device)


def _ratio(lora: Lora, figure: Figure) -> Mapping[str, float]:
    found = took(lora)
    for name in ("ours", "example"):
        middle(f"{name}: a step", found[name])
    say(f"ours: {found['precision']}, {found['peak'] / _GB:.2f} GB at the peak")
    each = [theirs / ours for theirs, ours in zip(found["example"], found["ours"], strict=True)]
    middle("example ÷ ours", each, "×")
    return {figure.name: min(found["example"]) / min(found["ours"])}


def _of_example(name: str, bar: float, lora: Lora, what: str) -> Family:
    figure = Figure(
        name=name,
        unit="ratio",
        bar=bar,
        against=f"diffusers' published LoRA example at {what}: autoencoder and text encoder in every step",
    )
    return Family((figure,), partial(_ratio, lora, figure))


def _whole(lora: Lora, memory: Figure, seconds: Figure) -> Mapping[str, float]:
    found = took(lora)
    middle("ours: a step", found["ours"])
    return {memory.name: found["peak"] / _GB, seconds.name: found["seconds"]}


def _whole_family(lora: Lora, name: str, gigabytes: float) -> Family:
    kept = "computed twice" if lora.checkpointing else "kept"
    memory = Figure(
        name=f"{name}_memory",
        unit="GB",
        bar=gigabytes,
        lower_is_better=True,
        against=f"of the GPU at 512 px, batch 1, fp16, activations {kept}",
    )
    seconds = Figure(
        name=f"{name}_seconds", unit="s", bar=1800, lower_is_better=True, against="10 images, 100 epochs, all of it"
    )
    return Family((memory, seconds), partial(_whole, lora, memory, seconds))


FAMILIES = (
    _of_example("lora_of_example", 1.6, ON_CPU, "256 px, each in the precision that it takes unasked"),
    _of_example("lora_of_example_alike", 1.6, ALIKE, "256 px, both in float32"),
)
GPU_FAMILIES = (
    _of_example("gpu_lora_of_example", 1.25, ON_GPU, "512 px in fp16"),
    _whole_family(WHOLE, "gpu_lora", 6.0),
    _whole_family(replace(WHOLE, checkpointing=False), "gpu_lora_quick", 8.0),
)
