"""An export of a classifier that was trained before."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny import PLAIN, fit

from eyebright_kit.disk import sha256_of
from eyebright_kit.errors import ConfigInvalid, ExportFailed
from eyebright_kit.runtime import Context, Parent
from eyebright_torch.classification.fit import export
from eyebright_torch.testing import Job
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.jobs import ExportOrder


def ordered(job: Job, trained: Context, **config: object) -> Context:
    weights = trained.output / "model.safetensors"
    classes = trained.data.classes
    parent = Parent("mdl_1", "pets@1", "small", classes, trained.output, {weights.name: sha256_of(weights)})
    ctx = job.context(parent=parent, exports=["onnx"], **config)
    return replace(ctx, spec=ctx.spec.model_copy(update={"export": ExportOrder(format="onnx")}))


@pytest.fixture
def trained(job: Job) -> Context:
    run = job.context()
    fit(run)
    return run


def test_it_is_the_form_that_was_ordered_with_its_certificate_and_nothing_else(job: Job, trained: Context) -> None:
    ctx = ordered(job, trained)
    result = export(ctx, PLAIN)
    (made,) = result.exports
    assert (made.format, made.path, made.parity.samples, made.parity.agreement) == ("onnx", "model.onnx", 15, 1.0)
    assert ctx.desk.artifacts == {"model.onnx": ArtifactKind.EXPORT}
    assert (ctx.output / "model.onnx").stat().st_size > 0
    assert result.metrics == {}


def test_it_is_judged_as_the_model_was(job: Job, trained: Context, tmp_path: Path) -> None:
    with_export = job.context(exports=["onnx"])
    (at_once,) = fit(with_export).exports
    (afterwards,) = export(ordered(job, trained), PLAIN).exports
    assert afterwards.parity.native == at_once.parity.native
    assert afterwards.parity.exported == at_once.parity.exported


def test_one_that_answers_differently_is_refused(job: Job, trained: Context) -> None:
    with pytest.raises(ExportFailed, match="answers differently"):
        export(ordered(job, trained, export_tolerance=1e-30), PLAIN)


def test_the_classes_of_other_data_are_not_put_on_a_model(job: Job, trained: Context) -> None:
    ctx = ordered(job, trained)
    assert ctx.parent is not None
    other = replace(ctx, parent=replace(ctx.parent, classes=("left", "top", "ring")))
    with pytest.raises(ConfigInvalid, match=r"pets@1 knows left, top, ring, and the data set has top, left, ring"):
        export(other, PLAIN)
