"""How many trainers a machine runs at once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from eyebright_kit.cgroup import Cgroup
from eyebright_kit.keeping.slots import cuda_devices, plan_slots, usable_cores

UUIDS = ["GPU-aaaa-1", "GPU-aabb-2", "GPU-cccc-3"]


def _shares(slots: Any) -> list[tuple[tuple[int, ...], int]]:
    return [(slot.resources.devices, slot.resources.threads) for slot in slots]


@pytest.mark.parametrize(
    ("cores", "devices", "cpu_slots", "shares"),
    [
        (1, (), None, [((), 1)]),
        (2, (), None, [((), 2)]),
        (8, (), None, [((), 2)] * 4),
        (9, (), None, [((), 2)] * 4),
        (8, (), 1, [((), 8)]),
        (2, (), 5, [((), 1)] * 5),
        (16, (0, 1), None, [((0,), 8), ((1,), 8)]),
        (16, (3,), 1, [((3,), 8), ((), 8)]),
        (4, (), 0, []),
    ],
)
def test_cores_and_gpus_are_shared_out_evenly(
    cores: int, devices: tuple[int, ...], cpu_slots: int | None, shares: list[Any]
) -> None:
    slots = plan_slots(cores, devices, cpu_slots)
    assert _shares(slots) == shares
    assert [slot.index for slot in slots] == list(range(len(shares)))


@pytest.mark.parametrize(
    ("devices", "per_slot", "places"),
    [
        ((0, 1, 2, 3), 2, [(0, 1), (2, 3)]),
        ((0, 1, 2, 3), 4, [(0, 1, 2, 3)]),
        ((5, 3), 2, [(5, 3)]),
        ((0, 1, 2), 2, [(0, 1)]),
        ((), 2, [(), ()]),
    ],
)
def test_a_slot_has_as_many_gpus_as_the_operator_says_and_none_has_fewer(
    devices: tuple[int, ...], per_slot: int, places: list[tuple[int, ...]]
) -> None:
    slots = plan_slots(4, devices, devices_per_slot=per_slot)
    assert [slot.resources.devices for slot in slots] == places


def test_the_cores_are_shared_by_slots_not_by_gpus() -> None:
    assert _shares(plan_slots(16, (0, 1, 2, 3), 0, 2)) == [((0, 1), 8), ((2, 3), 8)]


def test_gpus_that_do_not_suffice_for_one_slot_are_told_at_the_start() -> None:
    with pytest.raises(ValueError, match="a slot is to have 4 GPUs, but there are only 2"):
        plan_slots(16, (0, 1), devices_per_slot=4)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that shows three GPUs."""
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(UUIDS))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: SimpleNamespace(uuid=UUIDS[index]))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda handle: handle.uuid)


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("visible", "devices"),
    [
        (None, (0, 1, 2)),
        ("", ()),
        ("-1", ()),
        ("2,0", (2, 0)),
        ("1,9,0", (1,)),
        ("GPU-cccc-3,GPU-aaaa", (2, 0)),
        ("GPU-aa", ()),
        ("NoDevFiles", ()),
        ("0,0", (0,)),
    ],
)
def test_only_the_gpus_that_the_operator_shows_are_used(visible: str | None, devices: tuple[int, ...]) -> None:
    assert cuda_devices(visible) == devices


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise pynvml.NVMLError_LibraryNotFound

    monkeypatch.setattr(pynvml, "nvmlInit", absent)
    assert cuda_devices() == ()


def test_a_container_with_half_a_cpu_has_one_core(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("0::/\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert usable_cores(Cgroup(tmp_path, tmp_path / "membership")) == 1
