"""How many trainers this machine runs at once, and what each of them gets."""

import contextlib
import os
from collections.abc import Sequence
from typing import Any

import psutil

from eyebright_kit.cgroup import Cgroup
from eyebright_wire.jobs import Resources
from eyebright_wire.runs import Slot

#: A trainer with one thread leaves most of its time to Python; two keep it and its data loading busy.
CORES_PER_SLOT = 2


def plan_slots(
    cores: int, devices: Sequence[int], cpu_slots: int | None = None, devices_per_slot: int = 1
) -> tuple[Slot, ...]:
    """One slot for every `devices_per_slot` GPUs; without any GPU, one per two cores. `cpu_slots` fixes the number of those
    without a GPU instead. Raises ValueError when the GPUs do not suffice for one slot.

    The cores are shared out evenly: threads that outnumber them cost two thirds of the speed of both jobs.
    """
    if cpu_slots is None:
        cpu_slots = 0 if devices else max(1, cores // CORES_PER_SLOT)
    places = _groups(devices, devices_per_slot) + [()] * cpu_slots
    threads = max(1, cores // max(1, len(places)))
    return tuple(Slot(index, Resources(devices=own, threads=threads)) for index, own in enumerate(places))


def _groups(devices: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """Neighbours together: they tend to share the fastest links. What is left over forms no slot, because what a job may ask
    for must not depend on the slot that happens to be free."""
    if 0 < len(devices) < size:
        raise ValueError(f"a slot is to have {size} GPUs, but there are only {len(devices)}")
    return [tuple(devices[first : first + size]) for first in range(0, len(devices) - size + 1, size)]


def usable_cores(cgroup: Cgroup | None = None) -> int:
    """The cores that this process may use: what its affinity and its control group leave of the machine's."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    limit = (cgroup or Cgroup()).cpu_limit()
    return max(1, cores if limit is None else min(cores, int(limit)))


def cuda_devices(visible: str | None = None) -> tuple[int, ...]:
    """The GPUs of this machine in PCI order, or those of them that `visible` (as in CUDA_VISIBLE_DEVICES) names.

    Asks the driver, not a framework; no driver means no GPU.
    """
    import pynvml  # pyright: ignore[reportMissingTypeStubs] -- 20 ms that only who keeps trainers pays

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        uuids = [_uuid(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return ()
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
    return _visible(visible, uuids)


def free_on(devices: Sequence[int]) -> int | None:
    """Bytes of memory on the emptiest of these GPUs; None without any, or where the driver does not tell."""
    if not devices:
        return None
    import pynvml  # pyright: ignore[reportMissingTypeStubs]

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return max(int(_free(pynvml, device)) for device in devices)
    except pynvml.NVMLError:
        return None
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _free(pynvml: Any, device: int) -> int:
    return pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(device)).free


def _uuid(pynvml: Any, index: int) -> str:
    uuid: str | bytes = pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(index))
    return uuid.decode() if isinstance(uuid, bytes) else uuid


def _visible(visible: str | None, uuids: Sequence[str]) -> tuple[int, ...]:
    """CUDA's own rule: the list ends at the first entry that names no GPU."""
    if visible is None:
        return tuple(range(len(uuids)))
    chosen: list[int] = []
    for entry in visible.split(","):
        device = _device(entry.strip(), uuids)
        if device is None or device in chosen:
            break
        chosen.append(device)
    return tuple(chosen)


def _device(entry: str, uuids: Sequence[str]) -> int | None:
    if entry.isdigit():
        return int(entry) if int(entry) < len(uuids) else None
    matches = [index for index, uuid in enumerate(uuids) if entry and uuid.startswith(entry)]
    return matches[0] if len(matches) == 1 else None
