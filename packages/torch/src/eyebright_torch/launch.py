"""How many processes a run wants, the launcher that starts them, and how one of them ends. Needs no framework."""

import logging
import os
import sys
from typing import NoReturn

from pydantic import ValidationError

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.config import LoopConfig, RunConfig
from eyebright_wire.jobs import JobSpec, Resources


def launcher(spec: JobSpec, config: type[RunConfig]) -> list[str] | None:
    """torchrun's argv prefix, or None where one process does it all. Raises ConfigInvalid for settings that `config` refuses."""
    try:
        settings = config.model_validate(spec.config)
    except ValidationError as error:
        raise ConfigInvalid.of(error) from error
    count = processes(settings, spec.resources)
    if count == 1:
        return None
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]


def leave(code: int) -> NoReturn:
    """Ends this process.

    One of several skips the interpreter's own tidying up. A thread of Gloo's that still lets go of a tensor would abort the
    process there, after all its work was done, and the launcher would then stop the others (seen once in some fifty runs).
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        sys.exit(code)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def processes(config: RunConfig, resources: Resources) -> int:
    """Raises ConfigInvalid when more processes are asked for than there are devices, or than a batch can be cut into."""
    devices = len(cuda_indices(config, resources))
    count = config.processes or max(1, devices)
    if devices and count > devices:
        raise ConfigInvalid(f"processes={count}, but the job has {devices} device(s); set processes=0: one for each")
    if config.batch < 2 * count:
        raise ConfigInvalid(
            f"batch={config.batch} cannot be shared by {count} processes: each needs 2 images or more; "
            f"set batch={2 * count} or higher"
        )
    return count


def cuda_indices(config: LoopConfig, resources: Resources) -> tuple[int, ...]:
    """The CUDA devices of the run, as numbered on this machine; none for CPU and mps.

    `auto` is what the job was given; `cuda` is that, or the first device when a run by hand was given none. Raises
    ConfigInvalid when the config wants a device that the job was not given.
    """
    match config.device:
        case "auto":
            return resources.devices
        case "cuda":
            return resources.devices or _unassigned(config, (0,))
        case "cpu" | "mps":
            return ()
        case listed:
            indices = tuple(int(index) for index in listed.split(","))
            return _granted(indices, resources.devices) if resources.devices else _unassigned(config, indices)


def _granted(listed: tuple[int, ...], given: tuple[int, ...]) -> tuple[int, ...]:
    if not set(listed) <= set(given):
        raise ConfigInvalid(
            f"device={_joined(listed)}, but this job's slot has CUDA device {_joined(given)}; set device=auto, which takes "
            f"what the slot has, or give slots more devices with EYEBRIGHT_LOCAL__DEVICES_PER_SLOT"
        )
    return _once(listed)


def _unassigned(config: LoopConfig, indices: tuple[int, ...]) -> tuple[int, ...]:
    """A run by hand may take any device. An executor whose slot has none hides all of them."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        raise ConfigInvalid(
            f"device={config.device}, but this job's slot has no CUDA device, only the CPU; set device=auto, "
            f"or look at `eyebright doctor` for the GPUs that the server sees"
        )
    return _once(indices)


def _once(listed: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(listed)) < len(listed):
        raise ConfigInvalid(f"device={_joined(listed)} lists a device twice; each can train in one process only")
    return listed


def _joined(indices: tuple[int, ...]) -> str:
    return ",".join(map(str, indices))
