"""What a run computes on: device, precision and threads, chosen by what the job was given and what the hardware has."""

import os
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.config import LoopConfig
from eyebright_torch.launch import cuda_indices
from eyebright_wire.jobs import Resources


@dataclass(frozen=True)
class Hardware:
    """`precision` is what autocast computes in; None: everything in float32."""

    device: torch.device
    precision: torch.dtype | None
    threads: int

    @property
    def scales_loss(self) -> bool:
        """fp16 has so few exponents that small gradients would vanish; bf16 has as many as float32."""
        return self.precision is torch.float16

    @property
    def sums(self) -> torch.dtype:
        """In what sums over an epoch are kept; mps has no float64."""
        return torch.float32 if self.device.type == "mps" else torch.float64

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision is not None)


def choose(config: LoopConfig, resources: Resources, local_rank: int, local_world: int) -> Hardware:
    """Raises ConfigInvalid when the config asks for what this machine lacks."""
    device = _device(config, resources, local_rank)
    return Hardware(device, _precision(config, device), max(1, resources.threads // local_world))


def settle(hardware: Hardware, deterministic: bool) -> None:
    """Sets what torch keeps per process."""
    torch.set_num_threads(hardware.threads)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    if hardware.device.type == "cuda":
        torch.cuda.set_device(hardware.device)
        torch.backends.cudnn.benchmark = not deterministic


def exactly() -> AbstractContextManager[None]:
    """Convolutions in all of float32 meanwhile: TF32 keeps 10 bits of it, and an export would seem to differ. `flags` would
    switch cuDNN off, which is many times slower, unless told to leave it (None)."""
    return torch.backends.cudnn.flags(
        enabled=None, benchmark=None, benchmark_limit=None, deterministic=None, allow_tf32=False, fp32_precision=None
    )


def _device(config: LoopConfig, resources: Resources, local_rank: int) -> torch.device:
    if config.device == "mps" or (config.device == "auto" and not resources.devices and sys.platform == "darwin"):
        return _mps(config.device)
    indices = cuda_indices(config, resources)
    if not indices:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigInvalid(
            f"device={config.device}: the job was given {_given(resources)}, and torch sees no CUDA device here; "
            f"set device=auto or cpu, or check `nvidia-smi`"
        )
    return torch.device("cuda", _visible(config.device, indices[local_rank], resources.devices))


def _given(resources: Resources) -> str:
    devices = ",".join(map(str, resources.devices))
    return f"CUDA device {devices}" if devices else f"the CPU with {resources.threads} thread(s)"


def _mps(asked: str) -> torch.device:
    if torch.backends.mps.is_available():
        return torch.device("mps")
    if asked == "mps":
        raise ConfigInvalid("device=mps, but this machine has no Metal GPU that torch can use; set device=cpu")
    return torch.device("cpu")


def _visible(asked: str, index: int, given: tuple[int, ...]) -> int:
    """The index inside this process: an executor that shows only the granted devices renumbers them from 0."""
    shown = torch.cuda.device_count()
    number = given.index(index) if shown == len(given) else index
    if number >= shown:
        raise ConfigInvalid(f"device={asked}: there is no CUDA device {index}; this job sees {shown}, counted from 0")
    return number


def _precision(config: LoopConfig, device: torch.device) -> torch.dtype | None:
    match config.amp:
        case "off":
            return None
        case "bf16":
            return torch.bfloat16
        case "fp16":
            if device.type == "cpu":
                raise ConfigInvalid("amp=fp16 needs a GPU; on the CPU set amp=auto, which takes what is fastest there")
            return torch.float16
        case "auto":
            return _best_precision(device)


def _best_precision(device: torch.device) -> torch.dtype | None:
    """On a CPU with AVX2 only, bf16 was measured 27 times slower than float32: there it must be asked for by name."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
