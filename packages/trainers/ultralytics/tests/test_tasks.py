"""Each task trains, through the real runtime and with the network closed."""

import json
from pathlib import Path

import pytest
from warm_start import WARM

from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import reports_each_epoch, stays_offline, tells_its_story_in_order, traced
from eyebright_ultralytics.manifest import MANIFEST


@pytest.mark.parametrize("task", [task.name for task in MANIFEST.tasks])
def test_every_task_trains_and_tells_its_primary_metric(task: str, tmp_path: Path):
    job = TinyJob(tmp_path, MANIFEST, task_name=task)
    trace = traced(MANIFEST.module, job.write_spec(), start=WARM)
    tells_its_story_in_order(trace)
    reports_each_epoch(trace)
    stays_offline(trace)
    assert job.task.primary_metric in trace.succeeded.metrics


def test_a_run_leaves_nothing_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Neither settings of Ultralytics' nor what onnxruntime, from native code, would report home later."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "plots"))  # matplotlib's list of this machine's fonts
    trace = traced(MANIFEST.module, TinyJob(tmp_path, MANIFEST).write_spec(epochs=1, exports=["onnx"]))
    assert trace.exit_code == 0, trace.summary()
    assert list(home.rglob("*")) == []


def test_of_equally_good_epochs_the_one_whose_weights_are_handed_over_is_told(tmp_path: Path):
    """Hardly any learning: each epoch is as good as the first, and Ultralytics keeps the weights of the last."""
    job = TinyJob(tmp_path, MANIFEST, task_name="classification")
    trace = traced(MANIFEST.module, job.write_spec(optimizer="SGD", lr0=1e-9, warmup_bias_lr=0, exports=[]), start=WARM)
    assert [saved.best for saved in trace.checkpoints] == [True, True], trace.summary()
    report = json.loads((trace.output / "metrics.json").read_text())
    assert report["best_epoch"] == trace.checkpoints[-1].epoch == 2
    assert "(2 of 2)" in (trace.output / "model_card.md").read_text()
