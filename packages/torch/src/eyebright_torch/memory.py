"""Will it fit? An estimate of a run's memory before it starts, and what to change if it will not."""

import contextlib
import copy
from collections.abc import Iterator

import psutil
import torch
from torch import nn

from eyebright_kit.cgroup import Cgroup
from eyebright_kit.errors import OutOfMemory
from eyebright_kit.runtime.failure import is_out_of_memory
from eyebright_torch.config import LoopConfig, RunConfig
from eyebright_torch.hardware import Hardware
from eyebright_wire.advice import memory_ran_out

_MIB = 1 << 20

_ONE_MOMENT = ("sgd", "lion", "adafactor")  # optimisers that keep one number for each weight, or fewer; others keep two

# Peak of a step ÷ what all layers put out. Measured on a CPU: resnet50 1.35, resnet18 1.6 to 1.7, mobilenet_v2 1.8,
# efficientnet_b0 2.0. The low end, so that nothing is refused which would have fitted; a GPU was not measured.
_PEAK_PER_OUTPUT = {"cpu": 1.3}


def check(model: nn.Module, config: RunConfig, hardware: Hardware, processes: int = 1, cached: int = 0) -> None:
    """Raises OutOfMemory when a step cannot fit beside `cached` bytes of decoded images. GPUs are one for each process; the
    processes on a CPU share its memory."""
    fixed, per_image = estimate(model, config, hardware)
    available = available_bytes(hardware.device)
    if hardware.device.type != "cuda":
        available = (available - cached) // processes
    per_process = -(-config.batch // processes)
    needed = fixed + per_image * per_process
    if needed <= available:
        return
    raise OutOfMemory(
        f"batch={config.batch} at imgsz={config.imgsz} needs about {needed // _MIB:,} MiB, and {hardware.device.type} has "
        f"{available // _MIB:,} MiB free; {_way_out(config, per_process, (available - fixed) // per_image)}"
    )


def _way_out(config: RunConfig, per_process: int, fitting: int) -> str:
    if fitting < 2:
        return f"set imgsz below {config.imgsz}, or take a smaller model"
    batch = int(fitting * 0.9) * config.batch // per_process
    return f"set batch={max(2, batch)} or lower, or a smaller imgsz"


def estimate(model: nn.Module, config: RunConfig, hardware: Hardware) -> tuple[int, int]:
    """Bytes for weights, gradients, optimiser and average; and bytes of activations per image."""
    weights = sum(p.numel() for p in model.parameters()) * 4
    copies = 3 + (config.optimizer.lower() not in _ONE_MOMENT) + config.ema
    width = 2 if hardware.precision else 4
    peak = _PEAK_PER_OUTPUT.get(hardware.device.type, 1.0)
    return weights * copies, int(_outputs(model, config.imgsz) * width * peak)


def _outputs(model: nn.Module, side: int) -> int:
    """How many numbers the layers put out for one image, by running shapes alone through the network."""
    numbers = 0

    def count(_module: nn.Module, _inputs: object, output: object) -> None:
        nonlocal numbers
        numbers += output.numel() if isinstance(output, torch.Tensor) else 0

    with torch.device("meta"):
        shadow = _shadow(model)
        leaves = [module for module in shadow.modules() if not any(module.children()) and not _in_place(module)]
        for module in leaves:
            module.register_forward_hook(count)
        shadow(torch.empty(1, 3, side, side))
    return numbers


def _shadow(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).to("meta").eval()


def _in_place(module: nn.Module) -> bool:
    return bool(getattr(module, "inplace", False)) or isinstance(module, nn.Identity)


def available_bytes(device: torch.device) -> int:
    """What this process may still take: of the GPU, or of the machine and the control group it lives in."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free, left = psutil.virtual_memory().available, Cgroup().memory_left()
    return free if left is None else min(free, left)


@contextlib.contextmanager
def explained(config: LoopConfig) -> Iterator[None]:
    """Turns torch's ways of saying that memory ran out into one that names the settings."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(memory_ran_out(config.model_dump())) from error
