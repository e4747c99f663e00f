"""Images by their addresses: what is refused with the order, what is kept of it, and who gets to see it."""

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from harness.site import API, Site
from harness.site import site as make_site
from structlog.testing import capture_logs

from eyebright.errors import InvalidRequest, KeyReused, Unavailable
from eyebright.services.datasets import IMPORTS
from eyebright.services.lists import list_key
from eyebright_kit.importing.listed import read_list
from eyebright_kit.importing.order import ImportOrder
from eyebright_wire.resources import DatasetImport, DatasetInspection, ImageSource, JobView


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with make_site(tmp_path / "data") as site:
        site.imports.paused = True
        yield site


def images(count: int = 3, host: str = "https://pictures.example") -> tuple[ImageSource, ...]:
    return tuple(ImageSource(url=f"{host}/{number}.jpg?sig=secret", caption="a cat") for number in range(count))


async def order(site: Site, listed: tuple[ImageSource, ...], **fields: Any) -> JobView:
    key = fields.pop("key", None)
    return await site.context.services.datasets.order(DatasetImport(images=listed, **fields), key=key)


async def resolved(site: Site, job: JobView) -> dict[str, Any]:
    return dict((await site.parts.database.jobs.get(job.id)).job.resolved)


async def test_the_addresses_are_kept_from_everybody_but_the_importer(site: Site):
    job = await order(site, images(12))
    assert "secret" not in job.model_dump_json()
    assert job.name == "images"
    assert job.config["images"] == [*(f"https://pictures.example/{n}.jpg" for n in range(10)), "and 2 more"]
    kept = await resolved(site, job)
    assert "secret" not in json.dumps(kept)
    assert read_list(Path(kept["images"])) == images(12)
    assert Path(kept["images"]) == site.folder / "objects" / list_key(job.id)
    assert kept["shown"] == "12 images by list"


async def test_a_list_is_for_the_servers_own_user_alone(site: Site):
    await order(site, images())
    (kept,) = site.folder.rglob("images.jsonl")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


async def test_no_answer_and_no_log_shows_what_an_address_is_signed_with(site: Site):
    data = {"images": [image.url for image in images()], "style_id": 7}
    message = {"task_id": "task-1", "type": "model_training", "data": {**data, "task": "classification"}}
    wrong = {**message, "task_id": "task-2", "data": {**data, "images": "https://a.example/1.png?sig=secret"}}
    with capture_logs() as said:
        taken, refused = [await site.post(f"{API}/queue/messages", json=each) for each in (message, wrong)]
        job = f"{API}/jobs/{taken.json()['job_id']}"
        await site.context.services.dispatch.fill([IMPORTS])
        answers = [taken, refused, *[await site.get(path) for path in (job, f"{API}/jobs", f"{job}/events")]]
    assert (taken.json()["outcome"], refused.json()["outcome"]) == ("taken", "refused")
    assert "must be a list, not 'https://a.example/1.png'" in refused.json()["message"]
    assert [answer.text for answer in answers if "secret" in answer.text] == []
    assert "secret" not in str(said)
    assert "secret" not in site.imports.launches[0].model_dump_json()


async def test_the_importer_is_told_where_the_list_lies_and_how_it_may_be_fetched(site: Site):
    job = await order(site, images(), leave_out_broken=True)
    await site.context.services.dispatch.fill([IMPORTS])
    (spec,) = site.imports.launches
    told = ImportOrder.model_validate(spec.config)
    assert told.images == (await resolved(site, job))["images"]
    assert (told.leave_out_broken, told.path, told.url) == (True, None, None)
    assert told.fetching is not None
    assert told.fetching.sources["schemes"]


async def test_an_import_that_is_repeated_has_the_same_list(site: Site):
    job = await order(site, images())
    await site.context.services.jobs.cancel(job.id)
    again = await site.context.services.jobs.retry(job.id)
    assert (await resolved(site, again))["images"] == (await resolved(site, job))["images"]


async def test_every_address_that_is_not_called_is_refused_at_once(site: Site):
    denied = [f"http://pictures.example/{number}.jpg?sig=secret" for number in range(11)]
    listed = (*images(2), *(ImageSource(url=url) for url in (*denied, "s3://bucket/folder/", "nonsense")))
    with pytest.raises(InvalidRequest) as caught:
        await order(site, listed)
    assert caught.value.message.startswith(
        "13 of 15 addresses of images are refused: http://pictures.example/0.jpg has the"
    )
    assert caught.value.message.endswith("; and 3 more")
    assert [error["field"] for error in caught.value.errors] == [f"images.{place}.url" for place in range(2, 15)]
    assert "secret" not in str(caught.value.errors)
    assert await site.parts.database.jobs.queued() == 0
    assert list(site.folder.rglob("images.jsonl")) == []


async def test_where_the_operator_lets_nothing_lie_no_image_does(tmp_path: Path):
    async with make_site(tmp_path / "data", sources={"only": ("s3://ours/",)}) as site:
        with pytest.raises(InvalidRequest, match="from below s3://ours/ only"):
            await order(site, images(1))
        assert (await order(site, (ImageSource(url="s3://ours/1.jpg"),))).name == "images"


async def test_the_same_order_is_one_job_with_one_list(site: Site):
    first = await order(site, images(), key="task-1")
    assert (await order(site, images(), key="task-1")).id == first.id
    assert len(list(site.folder.rglob("images.jsonl"))) == 1
    with pytest.raises(KeyReused):
        await order(site, images(4), key="task-1")


async def test_a_job_that_could_not_be_queued_leaves_no_list(site: Site, monkeypatch: pytest.MonkeyPatch):
    def down(*_: object) -> None:
        raise Unavailable("the database is away")

    monkeypatch.setattr(site.context.services.datasets, "_insert", down)
    with pytest.raises(Unavailable):
        await order(site, images())
    assert list(site.folder.rglob("images.jsonl")) == []


async def test_a_list_can_be_looked_at_without_keeping_it(site: Site):
    job = await site.context.services.datasets.order(DatasetInspection(images=images()))
    assert (await resolved(site, job))["keep"] is False


async def test_a_long_list_makes_no_large_job(site: Site):
    job = await order(site, images(10_000))
    assert len(json.dumps(await resolved(site, job))) < 2_000
    assert len(job.model_dump_json()) < 3_000
