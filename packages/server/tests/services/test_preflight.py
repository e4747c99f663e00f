"""An order is checked before there are data for it, by the same rules as when it is placed."""

import pytest

from eyebright.errors import ConfigInvalid, DatasetInvalid, EyebrightError, InvalidRequest, NotFound, TrainerUnavailable
from eyebright.ports.jobs import JobQuery
from eyebright_wire.datasets import DatasetReport, Readiness
from eyebright_wire.jobs import PreflightRequest
from eyebright_wire.resources import TrainerView

BARE = DatasetReport(
    format="imagefolder",
    classes=("cat",),
    images={"train": 8},
    images_per_class={},
    readiness=(Readiness(task="classification", ready=False, missing=("1 class, needs 2",)),),
)


async def test_it_tells_what_would_run_and_keeps_nothing(platform):
    found = await platform.jobs.preflight(PreflightRequest(config={"epochs": 2}))
    assert (found.trainer, found.task) == ("toy", "classification")
    assert found.config["epochs"] == 2
    assert len(found.config) > 1
    assert (await platform.jobs.list(JobQuery())).items == ()


@pytest.mark.parametrize(
    ("fields", "refusal", "said"),
    [
        ({"config": {"epocs": 2}}, ConfigInvalid, "'epochs'"),
        ({"model": "maen"}, ConfigInvalid, "'mean'"),
        ({"task": "classificaton"}, ConfigInvalid, "Did you mean 'classification'"),
        ({"executor": "locale"}, InvalidRequest, "'local'"),
        ({"dataset": "petz"}, NotFound, "Did you mean 'pets'"),
        ({"dataset": "bare"}, DatasetInvalid, "1 class, needs 2"),
    ],
    ids=["setting", "model", "task", "executor", "no such data set", "data set that is not ready"],
)
async def test_what_is_refused_is_refused_as_an_order_would_be(
    platform, fields: dict[str, object], refusal: type[EyebrightError], said: str
):
    await platform.add_dataset("bare", BARE)
    with pytest.raises(refusal, match=said) as checked:
        await platform.jobs.preflight(PreflightRequest(**fields))
    with pytest.raises(refusal) as placed:
        await platform.submit(**fields)
    assert placed.value.message == checked.value.message


async def test_without_any_trainer_the_way_to_one_is_told(platform):
    async def none() -> list[object]:
        return []

    async def views() -> list[TrainerView]:
        names = {"best": "there is no trainer project in /empty/best", "toy": "not installed"}
        return [TrainerView(name=name, installed=False, problem=problem) for name, problem in names.items()]

    platform.catalog.installed, platform.catalog.list = none, views
    with pytest.raises(TrainerUnavailable, match="no trainer can be used: there is no trainer project in /empty/best"):
        await platform.jobs.preflight(PreflightRequest())
