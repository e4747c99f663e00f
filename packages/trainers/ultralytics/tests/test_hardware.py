"""What a run computes on."""

import pytest

from eyebright_kit.errors import ConfigInvalid
from eyebright_ultralytics.config import DetectionConfig
from eyebright_ultralytics.hardware import choose
from eyebright_wire.jobs import Resources


def config(**settings) -> DetectionConfig:
    return DetectionConfig.model_validate(settings)


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_without_a_gpu_it_is_the_cpu_in_float32(device: str):
    found = choose(config(device=device), Resources(threads=3))
    assert (found.device, found.precision, found.threads, found.name) == ("cpu", False, 3, "cpu")


def test_half_precision_on_a_cpu_is_refused_with_what_to_set():
    with pytest.raises(ConfigInvalid, match="set amp=off"):
        choose(config(amp="fp16"), Resources())


@pytest.mark.parametrize("device", ["cuda", 0, "3"])
def test_a_device_that_is_not_here_is_refused(device, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigInvalid, match=rf"device={device}, but torch sees no CUDA device"):
        choose(config(device=device), Resources())


def test_of_several_devices_the_first_is_taken_under_its_number_in_this_process(monkeypatch: pytest.MonkeyPatch):
    gpus(monkeypatch, shown=2)
    assert choose(config(), Resources(devices=(4, 6))).device == "0"
    assert choose(config(device=6), Resources(devices=(4, 6))).device == "1"


def test_a_device_of_somebody_elses_slot_is_refused(monkeypatch: pytest.MonkeyPatch):
    gpus(monkeypatch, shown=8)
    with pytest.raises(ConfigInvalid, match="slot has CUDA device 4,6"):
        choose(config(device=5), Resources(devices=(4, 6)))


@pytest.mark.parametrize(("supported", "precision"), [(True, "bf16"), (False, True)])
def test_auto_takes_the_half_precision_that_a_gpu_has(supported: bool, precision, monkeypatch: pytest.MonkeyPatch):
    gpus(monkeypatch, shown=1, bf16=supported)
    assert choose(config(), Resources(devices=(0,))).precision == precision


def gpus(monkeypatch: pytest.MonkeyPatch, shown: int, bf16: bool = True) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: shown)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: bf16)
