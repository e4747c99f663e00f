"""How many processes a run wants, and the launcher that starts them. Needs no framework."""

import sys

from eyebright_kit.errors import ConfigInvalid
from eyebright_torchvision.config import ClassificationConfig
from eyebright_wire.jobs import JobSpec, Resources


def launcher(spec: JobSpec, config: ClassificationConfig) -> list[str] | None:
    """torchrun's argv prefix, or None where one process does it all."""
    count = processes(config, spec.resources)
    if count == 1:
        return None
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]


def processes(config: ClassificationConfig, resources: Resources) -> int:
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


def cuda_indices(config: ClassificationConfig, resources: Resources) -> tuple[int, ...]:
    """The CUDA devices of the run, as numbered on this machine; none for CPU and mps.

    `auto` is what the job was given; `cuda` is that, or the first device when a run by hand was given none. Raises
    ConfigInvalid when the config lists a device that others may be using.
    """
    match config.device:
        case "auto":
            return resources.devices
        case "cuda":
            return resources.devices or (0,)
        case "cpu" | "mps":
            return ()
        case listed:
            return _granted(tuple(int(index) for index in listed.split(",")), resources.devices)


def _granted(listed: tuple[int, ...], given: tuple[int, ...]) -> tuple[int, ...]:
    """What was listed, if each is there once and the job's own; a run by hand that was given nothing may take any."""
    asked = _joined(listed)
    if len(set(listed)) < len(listed):
        raise ConfigInvalid(f"device={asked} lists a device twice; each can train in one process only")
    if given and not set(listed) <= set(given):
        raise ConfigInvalid(
            f"device={asked}, but this job's slot has CUDA device {_joined(given)}; set device=auto, which takes what the "
            f"slot has, or give slots more devices with EYEBRIGHT_LOCAL__DEVICES_PER_SLOT"
        )
    return listed


def _joined(indices: tuple[int, ...]) -> str:
    return ",".join(map(str, indices))
