"""How many trainers this machine runs at once, as the settings say."""

from pathlib import Path

import pytest

from eyebright.errors import InvalidRequest
from eyebright.executors.local import LocalExecutor, LocalExecutorSettings
from eyebright.settings import Settings


def test_gpus_that_do_not_suffice_for_one_slot_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidRequest, match="DEVICES_PER_SLOT is 4, but the server may use CUDA device 0,1 only; set it to 2"
    ):
        LocalExecutor(LocalExecutorSettings(runs_dir=tmp_path, devices=(0, 1), devices_per_slot=4))


def test_the_setting_reaches_the_slots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EYEBRIGHT_LOCAL__DEVICES", "0,1,2,3")
    monkeypatch.setenv("EYEBRIGHT_LOCAL__DEVICES_PER_SLOT", "2")
    executor = LocalExecutor.configured(Settings(data_dir=tmp_path))
    assert [slot.resources.devices for slot in executor.slots()] == [(0, 1), (2, 3)]
