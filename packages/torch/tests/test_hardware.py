from types import SimpleNamespace

import pytest
import tiny
import torch

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch import hardware, launch, memory
from eyebright_torch.config import RunConfig
from eyebright_wire.jobs import Resources


def config(**values: object) -> RunConfig:
    return RunConfig.model_validate(values)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)


def chosen(resources: Resources, rank: int = 0, **values: object) -> hardware.Hardware:
    return hardware.choose(config(**values), resources, rank, 1)


def test_a_job_without_devices_trains_on_the_cpu_in_float32():
    found = chosen(Resources(threads=3))
    assert (found.device, found.precision, found.threads) == (torch.device("cpu"), None, 3)


def test_granted_devices_are_renumbered_where_only_they_are_shown(two_gpus: None):
    resources = Resources(devices=(4, 7))
    assert [chosen(resources, rank).device.index for rank in (0, 1)] == [0, 1]
    assert chosen(Resources(devices=(1,))).device.index == 1


def test_one_of_the_granted_devices_may_be_chosen_by_its_number_on_the_machine(two_gpus: None):
    assert chosen(Resources(devices=(4, 7)), device="7").device.index == 1
    assert [chosen(Resources(devices=(4, 7)), rank, device="7,4").device.index for rank in (0, 1)] == [1, 0]


@pytest.mark.parametrize(
    ("device", "given", "message"),
    [
        ("0", (1,), "device=0, but this job's slot has CUDA device 1; set device=auto"),
        ("0,1", (0,), "device=0,1, but this job's slot has CUDA device 0; .*EYEBRIGHT_LOCAL__DEVICES_PER_SLOT"),
        ("2", (0, 1), "has CUDA device 0,1; "),
        ("0,0", (0, 1), "device=0,0 lists a device twice"),
    ],
)
def test_devices_that_the_slot_does_not_have_are_refused_before_anything_starts(
    device: str, given: tuple[int, ...], message: str
):
    with pytest.raises(ConfigInvalid, match=message):
        launch.processes(config(device=device), Resources(devices=given))


@pytest.mark.parametrize("device", ["cuda", "0", "0,1"])
def test_a_slot_without_gpus_is_told_before_anything_starts(device: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigInvalid, match=f"device={device}, but this job's slot has no CUDA device"):
        launch.processes(config(device=device), Resources())


def test_a_single_index_may_be_a_number():
    assert config(device=3).device == "3"


def test_a_gpu_gets_bf16_if_it_has_it_and_fp16_with_scaling_if_not(two_gpus: None, monkeypatch: pytest.MonkeyPatch):
    new = chosen(Resources(devices=(0, 1)))
    assert (new.precision, new.scales_loss) == (torch.bfloat16, False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    old = chosen(Resources(devices=(0, 1)))
    assert (old.precision, old.scales_loss) == (torch.float16, True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"device": "cuda"}, "no CUDA device"),
        ({"device": "0,1"}, r"was given the CPU with 1 thread\(s\), and torch sees no CUDA device"),
        ({"device": "mps"}, "no Metal GPU"),
        ({"amp": "fp16"}, "amp=fp16 needs a GPU; on the CPU set amp=auto"),
    ],
)
def test_what_the_machine_lacks_is_refused_by_name(
    values: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigInvalid, match=message):
        chosen(Resources(), **values)


def test_a_device_that_is_not_there_is_refused(two_gpus: None):
    with pytest.raises(ConfigInvalid, match="no CUDA device 5; this job sees 2"):
        chosen(Resources(), device="5")


@pytest.mark.parametrize(
    ("values", "devices", "count"),
    [
        ({}, (), 1),
        ({}, (0, 1), 2),
        ({"device": "cpu"}, (0, 1), 1),
        ({"processes": 2}, (), 2),
        ({"device": "0,1,2"}, (), 3),
        ({"device": "0,1", "processes": 1}, (), 1),
    ],
)
def test_there_is_a_process_for_each_device_unless_told_otherwise(
    values: dict[str, object], devices: tuple[int, ...], count: int
):
    assert launch.processes(config(**values), Resources(devices=devices)) == count


def test_more_processes_than_devices_or_than_a_batch_has_pairs_are_refused():
    with pytest.raises(ConfigInvalid, match="processes=3, but the job has 2"):
        launch.processes(config(processes=3), Resources(devices=(0, 1)))
    with pytest.raises(ConfigInvalid, match="batch=6 cannot be shared by 4"):
        launch.processes(config(processes=4, batch=6), Resources())


@pytest.mark.parametrize(("left", "available"), [(None, 900), (300, 300), (4000, 900)])
def test_a_control_groups_limit_counts_beside_the_machines(
    left: int | None, available: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=900))
    monkeypatch.setattr(memory.Cgroup, "memory_left", lambda _self: left)
    assert memory.available_bytes(torch.device("cpu")) == available


def test_the_advice_of_the_memory_check_fits(monkeypatch: pytest.MonkeyPatch):
    import re

    from eyebright_kit.errors import OutOfMemory

    monkeypatch.setattr(memory, "available_bytes", lambda _device: 2 << 30)
    model, cpu = tiny.Small(10), hardware.Hardware(torch.device("cpu"), None, 1)
    with pytest.raises(OutOfMemory) as caught:
        memory.check(model, config(batch=4096, imgsz=224), cpu)
    advised = re.search(r"set batch=(\d+)", caught.value.message)
    assert advised
    assert int(advised[1]) > 8
    memory.check(model, config(batch=int(advised[1]), imgsz=224), cpu)


def test_exact_is_without_tf32_and_otherwise_as_before(monkeypatch: pytest.MonkeyPatch):
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "benchmark", True)
    before = cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.benchmark_limit
    with hardware.exactly():
        assert not cudnn.allow_tf32
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.benchmark_limit) == before
    assert cudnn.allow_tf32
    assert cudnn.enabled
