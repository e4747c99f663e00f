"""Orders for a trainer that fetches its data itself: it is told where they were imported from."""

import pytest
from harness.platform import Platform

from eyebright.core.job import Job
from eyebright.errors import ConfigInvalid, DatasetInvalid
from eyebright.testing import FakeCatalog, toy_manifest
from eyebright_wire.jobs import PreflightRequest, RehearsalRequest

OPEN = {"type": "object", "properties": {"address": {"readOnly": True}}, "additionalProperties": True}
ORDER = {"trainer": "far", "dataset": "pets"}


@pytest.fixture
def far(platform: Platform) -> Platform:
    """The data set is ready for another task only, which is no matter here."""
    (task,) = toy_manifest().tasks
    task = task.model_copy(update={"name": "shades", "config_schema": OPEN, "recipe": {}})
    platform.catalog = FakeCatalog(toy_manifest(name="far", tasks=(task,), address_setting="address"))
    platform.restart()
    return platform


async def imported(platform: Platform, url: str | None, shown: str | None = None, name: str = "pets") -> None:
    version = await platform.orders.version("pets", "shades")
    async with platform.database.jobs.transaction() as transaction:
        await transaction.insert(
            Job(
                id=platform.clock.new_id("job"),
                name=name,
                trainer="importer",
                task="import",
                model="importer",
                dataset_version="",
                resolved={"url": url, "shown": shown or url or "pets.zip"},
                imported_version=version.id,
                created_at_ms=platform.clock.now_ms(),
            )
        )


async def test_it_is_told_where_its_data_were_imported_from(far: Platform) -> None:
    for url in ("s3://old/pets/", "s3://new/pets/", None):
        await imported(far, url)
    view = await far.submit(**ORDER, task="shades", config={"lr": 1})
    job = (await far.database.jobs.get(view.id)).job
    assert (job.config, job.resolved) == ({"lr": 1}, {"lr": 1, "address": "s3://new/pets/"})


@pytest.mark.parametrize(
    ("url", "shown"), [(None, None), ("https://data/pets.zip?sig=swordfish", "https://data/pets.zip")]
)
async def test_data_from_no_open_address_are_refused_before_anything_runs(
    far: Platform, url: str | None, shown: str | None
) -> None:
    await imported(far, url, shown)
    await imported(far, "s3://private/", name="of-the-same-content")
    with pytest.raises(DatasetInvalid, match="was imported from no open address; import it from one") as refused:
        await far.submit(**ORDER, task="shades")
    assert "swordfish" not in refused.value.message
    found = await far.preflights.preflight(PreflightRequest(**ORDER, task="shades"))
    assert [finding.code for finding in found.findings if finding.severity == "error"] == ["dataset_invalid"]


async def test_once_more_it_is_told_anew(far: Platform) -> None:
    await imported(far, "s3://old/pets/")
    view = await far.submit(**ORDER, task="shades", config={"lr": 1})
    await far.jobs.cancel(view.id)
    await imported(far, "s3://new/pets/")
    again = (await far.database.jobs.get((await far.jobs.retry(view.id)).id)).job
    assert (again.rerun_of, again.resolved) == (view.id, {"lr": 1, "address": "s3://new/pets/"})


async def test_a_rehearsal_would_be_a_training(far: Platform) -> None:
    await imported(far, "s3://new/pets/")
    with pytest.raises(ConfigInvalid, match="cannot be told to try the first batches only"):
        await far.jobs.rehearse(RehearsalRequest(**ORDER, task="shades"))


async def test_nobody_may_name_another_address(far: Platform) -> None:
    await imported(far, "s3://new/pets/")
    with pytest.raises(ConfigInvalid, match="address is not for an order to say"):
        await far.submit(**ORDER, task="shades", config={"address": "s3://somebody/else/"})
