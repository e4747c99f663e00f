"""The verb `check`: does this trainer, in this environment, keep a trainer's promises? Offline, in seconds, without pytest."""

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from eyebright_kit.runtime.rehearsal import CLASSES, Rehearsal, draw
from eyebright_kit.runtime.trace import (
    artifacts_are_true,
    predicts,
    rehearse,
    reports_each_epoch,
    run_verb,
    stays_offline,
    tells_its_story_in_order,
)
from eyebright_wire.manifest import TrainerManifest


class Finding(BaseModel):
    name: str
    ok: bool
    detail: str = ""


class Verdict(BaseModel):
    ok: bool
    seconds: float
    checks: tuple[Finding, ...]


def check(manifest: TrainerManifest) -> Verdict:
    """Runs the tiniest honest job through the real runtime in a temporary folder, with the network closed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="eyebright-check-") as folder:
        findings = tuple(_findings(manifest, Path(folder)))
    return Verdict(ok=all(f.ok for f in findings), seconds=round(time.monotonic() - began, 2), checks=findings)


def _findings(manifest: TrainerManifest, folder: Path) -> list[Finding]:
    described = _found("describes itself", lambda: _describes_itself(manifest))
    try:
        trace = rehearse(manifest.module, Rehearsal(folder, manifest).write_spec())
    except Exception as error:
        return [described, Finding(name="runs", ok=False, detail=str(error))]
    image = folder / "image.png"
    draw(0, random.Random(0)).save(image)  # noqa: S311 - a picture, not a secret
    return [
        described,
        _found("tells its story in order", lambda: tells_its_story_in_order(trace)),
        _found("reports each epoch", lambda: reports_each_epoch(trace)),
        _found("artifacts are what was told", lambda: artifacts_are_true(trace)),
        _found("stays offline", lambda: stays_offline(trace)),
        _found("predicts", lambda: predicts(manifest.module, trace, image, CLASSES)),
    ]


def _describes_itself(manifest: TrainerManifest) -> None:
    told = TrainerManifest.model_validate_json(run_verb(manifest.module, "describe").stdout)
    if told != manifest:
        raise AssertionError("`describe` prints another manifest than the one that runs")


def _found(name: str, promise: Callable[[], None]) -> Finding:
    try:
        promise()
    except Exception as error:
        return Finding(name=name, ok=False, detail=str(error))
    return Finding(name=name, ok=True)
