"""`check` must find what is wrong: an honest trainer passes, and each lie is named."""

from pathlib import Path

import pytest

from eyebright_kit.runtime.check import check
from eyebright_wire.answers import CheckReport
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

_TRAINER = """
import json, socket, sys
from pathlib import Path
from eyebright_kit.runtime import Result, main
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.jobs import Stage
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.predictions import ClassScore

MANIFEST = TrainerManifest.model_validate_json((Path(__file__).parent / "manifest.json").read_text())
LIE = MANIFEST.description

def call_home():
    try:
        socket.create_connection(("203.0.113.7", 80), timeout=1)
    except OSError:
        pass  # as libraries do

class Trainer:
    manifest = MANIFEST
    def fit(self, ctx):
        if LIE == "breaks": raise RuntimeError("boom")
        if LIE == "calls home": call_home()
        if LIE == "repairs": ctx.data.samples("train")[0].path.write_bytes(b"as good as new")
        if LIE != "silent": ctx.stage(Stage.TRAINING)
        for epoch in (1, 2):
            ctx.progress(epoch=epoch, epochs=2, step=epoch, epoch_finished=not (LIE == "skips" and epoch == 1))
        (ctx.output / "labels.json").write_text(json.dumps(ctx.data.classes))
        ctx.artifact("labels.json", ArtifactKind.LABELS, "application/json")
        if LIE == "alters": Path(ctx.spec.output.uri[7:], "labels.json").write_text('["bright", "dark", "stripes"]')
        return Result(metrics={"top1": 1.0})
    def predict(self, model, image):
        classes = json.loads((model / "labels.json").read_text())
        scores = [0.7, 0.2, 0.1] if LIE != "overconfident" else [0.9, 0.9, 0.9]
        return tuple(ClassScore(label=label, score=score) for label, score in zip(classes, scores))
    def relaunch(self, spec):
        return None

if __name__ == "__main__":
    sys.exit(main(MANIFEST, Trainer))
"""


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Checks a trainer that tells this lie."""

    def run(lie: str, *, reads_only: bool = True) -> CheckReport:
        task = TaskInfo(name="t", models=(ModelInfo(name="m"),), default_model="m", config_schema={}, recipe={})
        manifest = TrainerManifest(
            name="liar",
            version="1",
            module="liar",
            licence="MIT",
            description=lie,
            tasks=(task,),
            reads_only=reads_only,
        )
        (tmp_path / "manifest.json").write_text(manifest.model_dump_json())
        (tmp_path / "liar.py").write_text(_TRAINER)
        if lie != "owns nothing":
            (tmp_path / "LICENSE").write_text("Do as you like.")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return check(manifest)

    return run


def test_an_honest_trainer_passes(checked):
    verdict = checked("")
    assert verdict.ok, verdict
    assert len(verdict.checks) == 8
    assert verdict.seconds > 0


@pytest.mark.parametrize(
    ("lie", "failing"),
    [
        ("calls home", "stays offline"),
        ("skips", "reports each epoch"),
        ("silent", "tells its story in order"),
        ("alters", "artifacts are what was told"),
        ("owns nothing", "settings and licence lie beside the model"),
        ("repairs", "leaves the stored images alone"),
        ("overconfident", "predicts"),
        ("breaks", "tells its story in order"),
    ],
)
def test_each_lie_is_found_and_named(checked, lie: str, failing: str):
    verdict = checked(lie)
    assert not verdict.ok
    found = {finding.name for finding in verdict.checks if not finding.ok}
    assert failing in found
    assert all(finding.message for finding in verdict.checks if not finding.ok)


def test_who_does_not_promise_to_read_only_may_write_into_copies(checked):
    verdict = checked("repairs", reads_only=False)
    assert verdict.ok, verdict


def test_a_trainer_that_describes_another_than_itself_is_found(
    checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert checked("").ok
    manifest = TrainerManifest.model_validate_json((tmp_path / "manifest.json").read_text())
    verdict = check(manifest.model_copy(update={"version": "2"}))
    assert [finding.name for finding in verdict.checks if not finding.ok] == ["describes itself"]
