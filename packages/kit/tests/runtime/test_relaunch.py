"""A trainer that asks for several processes: real ones, behind a launcher of a few lines."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import Trace, tells_its_story_in_order
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import EventKind
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

_LAUNCHER = """
import os, subprocess, sys
ranks = [
    subprocess.Popen([sys.executable, *sys.argv[1:]], env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"})
    for rank in range(2)
]
sys.exit(max(rank.wait() for rank in ranks))
"""

_TRAINER = """
import os, signal, sys, threading, time
from pathlib import Path
from eyebright_kit.runtime import Result, main
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage
from eyebright_wire.errors import ErrorCode
from eyebright_wire.manifest import TrainerManifest

HERE = Path(__file__).parent
MANIFEST = TrainerManifest.model_validate_json((HERE / "manifest.json").read_text())

class Trainer:
    manifest = MANIFEST
    def fit(self, ctx):
        ctx.stage(Stage.TRAINING)
        ctx.progress(epoch=1, epochs=1, step=1, epoch_finished=True)
        time.sleep(ctx.rank)  # rank 0 is done long before
        paths = [(sample.path.name, len(sample.path.read_bytes())) for sample in ctx.data.samples(Split.TRAIN)]
        (HERE / f"rank-{ctx.rank}.txt").write_text(f"{ctx.world_size} {paths}")
        return Result(metrics={})
    def predict(self, model, image): ...
    def relaunch(self, spec):
        if spec.config.get("asked_to_leave"):
            others = set(threading.enumerate())
            os.kill(os.getpid(), signal.SIGTERM)
            for noting in set(threading.enumerate()) - others:
                noting.join()
        return [sys.executable, str(HERE / "launcher.py")]

sys.exit(main(MANIFEST, Trainer))
"""


def _launched(tmp_path: Path, **config: object) -> Trace:
    task = TaskInfo(name="t", models=(ModelInfo(name="m"),), default_model="m", config_schema={}, recipe={})
    manifest = TrainerManifest(name="many", version="1", module="many", licence="MIT", tasks=(task,))
    (tmp_path / "manifest.json").write_text(manifest.model_dump_json())
    (tmp_path / "launcher.py").write_text(_LAUNCHER)
    (tmp_path / "many.py").write_text(_TRAINER)
    spec = TinyJob(tmp_path, manifest).write_spec(**config)
    run = subprocess.Popen(
        [sys.executable, "-m", "many", "run", str(spec)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, log = run.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        raise
    assert json.loads((spec.parent / "process.json").read_text())["pid"] == run.pid
    return Trace(spec.parent, run.returncode, log)


def test_the_launcher_takes_over_and_rank_0_tells_one_story(tmp_path: Path):
    trace = _launched(tmp_path)
    tells_its_story_in_order(trace)
    assert (tmp_path / "rank-0.txt").read_text() == (tmp_path / "rank-1.txt").read_text()
    assert (tmp_path / "rank-0.txt").read_text().startswith("2 [('000000.png', ")
    assert json.loads((trace.folder / "exit.json").read_text()) == {"code": 0}


def test_the_others_do_not_wait_for_data_that_never_comes(tmp_path: Path):
    trace = _launched(tmp_path, keep_checkpoints=0)
    assert trace.failed.code == ErrorCode.CONFIG_INVALID
    assert json.loads((trace.folder / "exit.json").read_text()) == {"code": 64}


def test_a_wish_to_stop_is_not_forgotten_over_the_launcher(tmp_path: Path):
    """Signals and answers that came while a checkpoint was verified: the process that follows would know nothing of them."""
    trace = _launched(tmp_path, asked_to_leave=True)
    assert (trace.exit_code, trace.events[-1].kind) == (ExitCode.PREEMPTED, EventKind.PREEMPTED)
    assert not (tmp_path / "rank-0.txt").exists()
