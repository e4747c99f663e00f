"""The verb `check`: does this trainer, in this environment, keep a trainer's promises? Offline, in seconds, without pytest."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import (
    answers,
    artifacts_are_true,
    hands_over_its_papers,
    leaves_the_images_alone,
    reports_each_epoch,
    run_verb,
    stays_offline,
    tells_its_story_in_order,
    traced,
)
from eyebright_wire.answers import CheckedPromise, CheckReport
from eyebright_wire.manifest import TrainerManifest


def check(manifest: TrainerManifest) -> CheckReport:
    """Runs the tiniest honest job through the real runtime in a temporary folder, with the network closed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="eyebright-check-") as folder:
        promises = tuple(_promises(manifest, Path(folder)))
    return CheckReport(ok=all(p.ok for p in promises), seconds=round(time.monotonic() - began, 2), checks=promises)


def _promises(manifest: TrainerManifest, folder: Path) -> list[CheckedPromise]:
    described = _kept("describes itself", lambda: _describes_itself(manifest))
    job = TinyJob(folder, manifest)
    try:
        trace = traced(manifest.module, job.write_spec())
    except Exception as error:
        return [described, CheckedPromise(name="runs", ok=False, message=str(error))]
    return [
        described,
        _kept("tells its story in order", lambda: tells_its_story_in_order(trace)),
        _kept("reports each epoch", lambda: reports_each_epoch(trace)),
        _kept("artifacts are what was told", lambda: artifacts_are_true(trace)),
        _kept("settings and licence lie beside the model", lambda: hands_over_its_papers(trace)),
        _kept("leaves the stored images alone", lambda: leaves_the_images_alone(trace)),
        _kept("stays offline", lambda: stays_offline(trace)),
        _kept("predicts", lambda: answers(manifest.module, job.task, trace, job.data)),
    ]


def _describes_itself(manifest: TrainerManifest) -> None:
    told = TrainerManifest.model_validate_json(run_verb(manifest.module, "describe").stdout)
    if told != manifest:
        raise AssertionError("`describe` prints another manifest than the one that runs")


def _kept(name: str, promise: Callable[[], None]) -> CheckedPromise:
    try:
        promise()
    except Exception as error:
        return CheckedPromise(name=name, ok=False, message=str(error))
    return CheckedPromise(name=name, ok=True)
