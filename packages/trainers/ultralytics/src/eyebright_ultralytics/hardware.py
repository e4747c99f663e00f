"""What a run computes on: device and precision, chosen by what the job was given and what the hardware has."""

import os
from dataclasses import dataclass
from typing import Literal

import torch

from eyebright_kit.errors import ConfigInvalid
from eyebright_ultralytics.config import RunConfig
from eyebright_wire.jobs import Resources

Precision = Literal[False, True, "bf16"]  # in Ultralytics' words: float32, float16, bfloat16


@dataclass(frozen=True)
class Hardware:
    """`device` is "cpu", "mps", or a CUDA index inside this process."""

    device: str
    precision: Precision
    threads: int

    @property
    def name(self) -> str:
        return torch.cuda.get_device_name(int(self.device)) if self.device.isdigit() else self.device


def choose(config: RunConfig, resources: Resources) -> Hardware:
    """One device: of several that the job was given, the first. Raises ConfigInvalid for what this machine lacks."""
    device = _device(config.device, resources)
    return Hardware(device, _precision(config, device), resources.threads)


def _device(asked: str, resources: Resources) -> str:
    match asked:
        case "cpu":
            return "cpu"
        case "mps":
            return _mps()
        case "auto" if not resources.devices:
            return "cpu"
        case "auto" | "cuda":
            return _visible(resources.devices[0] if resources.devices else 0, asked, resources)
        case index:
            return _visible(int(index), asked, resources)


def _mps() -> str:
    if not torch.backends.mps.is_available():
        raise ConfigInvalid("device=mps, but this machine has no Metal GPU that torch can use; set device=cpu")
    return "mps"


def _visible(index: int, asked: str, resources: Resources) -> str:
    """The index inside this process: an executor that shows only the granted devices renumbers them from 0."""
    given = resources.devices
    if given and index not in given:
        raise ConfigInvalid(f"device={asked}, but this job's slot has CUDA device {_listed(given)}; set device=auto")
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "" or not torch.cuda.is_available():
        raise ConfigInvalid(f"device={asked}, but torch sees no CUDA device here; set device=auto or cpu")
    shown = torch.cuda.device_count()
    number = given.index(index) if shown == len(given) else index
    if number >= shown:
        raise ConfigInvalid(f"device={asked}: there is no CUDA device {index}; this job sees {shown}, counted from 0")
    return str(number)


def _listed(devices: tuple[int, ...]) -> str:
    return ",".join(map(str, devices))


def _precision(config: RunConfig, device: str) -> Precision:
    """`auto` is float32 on a CPU, where bf16 was measured 27 times slower."""
    if config.amp == "fp16" and device == "cpu":
        raise ConfigInvalid("amp=fp16 needs a GPU; on the CPU set amp=off, which is also the fastest there")
    if config.amp == "auto":
        return _best(device)
    return {"off": False, "fp16": True, "bf16": "bf16"}[config.amp]  # pyright: ignore[reportReturnType]


def _best(device: str) -> Precision:
    if not device.isdigit():
        return False
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else True
