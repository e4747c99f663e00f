import asyncio
from dataclasses import replace

import pytest
from samples import NOW_MS, bury, checkpoint, claim, decide, job, post, ref, started, submit, succeeded

from eyebright.core import lifecycle
from eyebright.core.job import Job, Run
from eyebright.core.records import Artifact, Dataset, Model, Version, changed
from eyebright.errors import Conflict, NotFound
from eyebright.services.reference import find
from eyebright.stores.sql import datasets
from eyebright_wire.artifacts import ExportRef, ParityCertificate
from eyebright_wire.jobs import IMPORTER


def version(digit: str, dataset: str = "cats", **fields) -> Version:
    report = {"format": "imagefolder", "classes": ["ä", "b"], "images": {"train": 3}, "none": None}
    return Version(
        **{
            "id": f"dsv_{digit * 24}",
            "dataset": dataset,
            "number": 0,
            "manifest_sha256": digit * 64,
            "report": report,
            "created_at_ms": NOW_MS,
            **fields,
        }
    )


async def test_versions_of_a_data_set_are_numbered(database):
    assert await database.datasets.add_version(version("a")) == version("a", number=1)
    assert await database.datasets.add_version(version("b")) == version("b", number=2)
    assert await database.datasets.add_version(version("c", "dogs")) == version("c", "dogs", number=1)


async def test_the_same_content_is_the_same_version(database):
    first = await database.datasets.add_version(version("a"))
    await database.datasets.add_version(version("b"))
    assert await database.datasets.add_version(version("a", created_at_ms=NOW_MS + 5)) == first
    assert len((await database.datasets.get("cats")).versions) == 2


async def test_the_same_content_may_have_two_names(database):
    await database.datasets.add_version(version("a", "dogs", created_at_ms=NOW_MS + 1))
    await database.datasets.add_version(version("a", "cats", created_at_ms=NOW_MS))
    assert (await database.datasets.version(version("a").id)).dataset == "cats"
    several = await database.datasets.versions([version("a").id, "dsv_0"])
    assert {each: found.dataset for each, found in several.items()} == {version("a").id: "cats"}
    assert len((await database.datasets.get("dogs")).versions) == 1


async def test_every_version_tells_its_manifest_and_its_changes(database, monkeypatch):
    monkeypatch.setattr(datasets, "_MANIFESTS", 2)
    assert list(await database.datasets.manifests()) == []
    for digit, dataset in ("a", "cats"), ("a", "dogs"), ("b", "cats"), ("c", "cats"), ("d", "ants"):
        await database.datasets.add_version(version(digit, dataset))
    await database.datasets.add_version(version("e", report={"changes": {"sha256": "ff" * 32}}))
    found = [("d" * 64, None), *((digit * 64, None) for digit in "abc"), ("e" * 64, "ff" * 32), ("a" * 64, None)]
    assert list(await database.datasets.manifests()) == found


async def test_versions_added_at_the_same_moment_get_different_numbers(database):
    digits = "0123456789abcdef"
    added = await asyncio.gather(*(database.datasets.add_version(version(digit)) for digit in digits))
    assert sorted(each.number for each in added) == list(range(1, 17))


async def test_a_data_set_comes_with_its_versions_newest_first(database):
    first = await database.datasets.add_version(version("b"))
    second = await database.datasets.add_version(version("a", created_at_ms=NOW_MS + 7))
    assert await database.datasets.get("cats") == Dataset(name="cats", created_at_ms=NOW_MS, versions=(second, first))
    assert await database.datasets.version(second.id) == second


async def test_data_sets_are_listed_by_name_page_by_page(database):
    for name in ("b", "a", "C", "d-1", "d"):
        await database.datasets.add_version(version("a", name))
        await database.datasets.add_version(version("b", name))
    first = await database.datasets.list(limit=2)
    rest = await database.datasets.list(after=first[-1].name)
    assert [each.name for each in (*first, *rest)] == ["C", "a", "b", "d", "d-1"]
    assert [each.number for each in rest[0].versions] == [2, 1]


async def test_unknown_data_sets_are_not_found(database):
    with pytest.raises(NotFound, match="nothing"):
        await database.datasets.get("nothing")
    with pytest.raises(NotFound, match="dsv_0"):
        await database.datasets.version("dsv_0")
    assert await database.datasets.list() == []


async def test_a_deleted_version_is_in_no_list_and_tells_what_it_was(database):
    old = await database.datasets.add_version(version("a"))
    new = await database.datasets.add_version(version("b"))
    assert list(await database.datasets.delete("cats", 1, NOW_MS)) == [old]
    assert (await database.datasets.get("cats")).versions == (new,)
    assert await database.datasets.version(old.id) == replace(old, deleted_at_ms=NOW_MS)
    assert (await database.datasets.versions([old.id]))[old.id].deleted_at_ms == NOW_MS
    assert list(await database.datasets.manifests()) == [(new.manifest_sha256, None)]
    assert (await database.datasets.add_version(version("c"))).number == 3
    assert len(await database.datasets.delete("cats", None, NOW_MS)) == 2
    assert await database.datasets.list() == []
    with pytest.raises(NotFound, match="named cats"):
        await database.datasets.get("cats")


async def test_only_what_is_there_is_deleted(database):
    await database.datasets.add_version(version("a"))
    with pytest.raises(NotFound, match="no version 2"):
        await database.datasets.delete("cats", 2, NOW_MS)
    await database.datasets.delete("cats", 1, NOW_MS)
    with pytest.raises(NotFound, match="was deleted on"):
        await database.datasets.delete("cats", 1, NOW_MS)
    with pytest.raises(NotFound, match="named cats"):
        await database.datasets.delete("cats", None, NOW_MS)


async def test_the_same_content_brings_a_deleted_version_back(database):
    first = await database.datasets.add_version(version("a"))
    await database.datasets.add_version(version("b"))
    await database.datasets.delete("cats", None, NOW_MS)
    assert await database.datasets.add_version(version("a", created_at_ms=NOW_MS + 5)) == first
    assert (await database.datasets.get("cats")).versions == (first,)
    assert await database.datasets.version(first.id) == first


async def test_of_one_content_under_two_names_what_is_there_comes_before_what_was_deleted(database):
    await database.datasets.add_version(version("a", "cats"))
    dogs = await database.datasets.add_version(version("a", "dogs", created_at_ms=NOW_MS + 1))
    await database.datasets.delete("cats", None, NOW_MS)
    assert await database.datasets.version(dogs.id) == dogs
    assert await database.datasets.versions([dogs.id]) == {dogs.id: dogs}
    assert list(await database.datasets.manifests()) == [(dogs.manifest_sha256, None)]


async def test_a_version_that_an_unfinished_job_needs_is_not_deleted(database):
    kept = await database.datasets.add_version(version("a"))
    await submit(database, job(1, dataset_version=kept.id), job(2, dataset_version=kept.id))
    for number in (1, None):
        with pytest.raises(Conflict, match="job_0001 and 1 more"):
            await database.datasets.delete("cats", number, NOW_MS)
    assert await database.datasets.version(kept.id) == kept
    for number in (1, 2):
        await decide(
            database,
            (f"job_{number:04}", None),
            lambda run: changed(run, lifecycle.request_cancel(run, NOW_MS), NOW_MS),
        )
    assert list(await database.datasets.delete("cats", None, NOW_MS)) == [kept]


async def order(database, new: Job) -> None:
    async with database.jobs.transaction() as transaction:
        await transaction.require_version(new.needed_version)
        await transaction.insert(new)


async def test_no_job_begins_with_a_deleted_version(database):
    gone = await database.datasets.add_version(version("a"))
    await database.datasets.delete("cats", None, NOW_MS)
    with pytest.raises(NotFound, match=r"cats version 1.* was deleted"):
        await order(database, job(1, dataset_version=gone.id))
    await database.datasets.add_version(version("a", "dogs"))
    await order(database, job(1, dataset_version=gone.id))
    await order(database, job(2, dataset_version="dsv_of_nobody"))


async def test_a_version_that_is_imported_from_is_not_deleted(database):
    kept = await database.datasets.add_version(version("a"))
    await order(database, job(1, trainer=IMPORTER, dataset_version="", config={"version": kept.id}))
    with pytest.raises(Conflict, match="needed by job_0001;"):
        await database.datasets.delete("cats", 1, NOW_MS)


async def test_what_is_brought_back_names_the_changes_of_its_new_source(database):
    """The list of the old ones may be gone by then."""
    await database.datasets.add_version(version("a", report={"changes": {"sha256": "ff" * 32}}))
    await database.datasets.delete("cats", None, NOW_MS)
    back = await database.datasets.add_version(version("a"))
    assert await database.datasets.version(back.id) == back == version("a", number=1)
    assert list(await database.datasets.manifests()) == [(back.manifest_sha256, None)]


async def test_of_an_order_and_a_deletion_at_the_same_moment_one_is_refused(database):
    for number in range(8):
        kept = await database.datasets.add_version(version("0123456789abcdef"[number]))
        both = await asyncio.gather(
            order(database, job(number, dataset_version=kept.id)),
            database.datasets.delete("cats", kept.number, NOW_MS),
            return_exceptions=True,
        )
        assert [isinstance(each, NotFound | Conflict) for each in both].count(True) == 1, both


def model(number: int = 1, **fields) -> Model:
    parity = ParityCertificate(
        runtime="onnxruntime 1.31.1",
        samples=9,
        max_abs_difference=1e-6,
        tolerance=1e-4,
        agreement=1.0,
        metric="top1",
        native=0.9,
        exported=0.9,
    )
    return Model(
        **{
            "id": f"model_{number:04}",
            "name": "cats",
            "number": number,
            "licence": "Apache-2.0",
            "job_id": f"job_{number:04}",
            "attempt": 1,
            "trainer": "toy",
            "task": "classification",
            "architecture": "tiny",
            "dataset_version": "dsv_1",
            "classes": ("a", "ü"),
            "metrics": {"top1": 0.1 + 0.2},
            "exports": (ExportRef(format="onnx", path="model.onnx", parity=parity),),
            "artifacts": (ref("model.onnx"), ref("labels.json")),
            "created_at_ms": NOW_MS,
            **fields,
        }
    )


async def finish(database, made: Model) -> None:
    def decision(run: Run):
        return changed(run, lifecycle.succeed(run, NOW_MS, model_id=made.id), NOW_MS, model=made)

    await submit(database, job(int(made.job_id[-4:])))
    await claim(database, made.job_id)
    await post(database, started(), succeeded(2), job_id=made.job_id)
    await decide(database, (made.job_id, 1), decision)


async def test_a_model_is_registered_with_the_success_of_its_job(database):
    await finish(database, model())
    assert await database.models.get("model_0001") == model()
    assert (await database.jobs.get("job_0001")).job.model_id == "model_0001"


async def test_models_are_listed_newest_first_page_by_page(database):
    for number in (1, 3, 2):
        await finish(database, model(number, name=f"cats {number}"))
    first = await database.models.list(limit=2)
    rest = await database.models.list(after=first[-1].id)
    assert [*first, *rest] == [replace(model(number, name=f"cats {number}"), number=1) for number in (3, 2, 1)]


async def test_models_of_one_name_are_numbered_as_they_come(database):
    for number, name in ((1, "cats"), (2, "dogs"), (3, "cats")):
        await finish(database, model(number, name=name))
    assert [(each.name, each.number) for each in await database.models.list()] == [
        ("cats", 2),
        ("dogs", 1),
        ("cats", 1),
    ]
    assert [each.number for each in await database.models.list(name="cats")] == [2, 1]
    assert await database.models.list(name="cat") == []
    assert await database.models.names() == ["cats", "dogs"]
    assert await database.models.find("cats", 2) == replace(model(3), number=2)
    assert await database.models.find("dogs", 2) is None


async def test_models_that_end_at_the_same_moment_get_different_numbers(database):
    await asyncio.gather(*(finish(database, model(number)) for number in range(1, 9)))
    assert sorted(each.number for each in await database.models.list()) == list(range(1, 9))


async def test_an_alias_points_to_one_version_of_its_name_and_moves_at_once(database):
    for number, name in ((1, "cats"), (2, "cats"), (3, "dogs")):
        await finish(database, model(number, name=name))
    for each in (1, 3):
        await database.models.point(f"model_000{each}", "production")
    await database.models.point("model_0001", "best")
    assert (await database.models.get("model_0001")).aliases == ("best", "production")
    await database.models.point("model_0002", "production")
    assert [each.aliases for each in await database.models.list()] == [("production",), ("production",), ("best",)]
    assert await database.models.find("cats", "production") == model(2, aliases=("production",))
    assert await database.models.find("cats", "staging") is None
    with pytest.raises(NotFound, match="model_9"):
        await database.models.point("model_9", "production")


async def test_an_alias_is_taken_away_only_from_where_it_points(database):
    for number in (1, 2):
        await finish(database, model(number))
    await database.models.point("model_0001", "production")
    assert not await database.models.unpoint("model_0002", "production")
    assert await database.models.unpoint("model_0001", "production")
    assert not await database.models.unpoint("model_0001", "production")
    assert await database.models.find("cats", "production") is None


async def test_a_deleted_model_keeps_its_number_and_explains_itself(database):
    for number in (1, 2):
        await finish(database, model(number))
    await database.models.delete("model_0002", NOW_MS + 5)
    await finish(database, model(3))
    assert [each.number for each in await database.models.list()] == [3, 1]
    assert await database.models.get("model_0002") == model(2, deleted_at_ms=NOW_MS + 5)
    assert await database.models.find("cats", 2) == model(2, deleted_at_ms=NOW_MS + 5)
    await database.models.delete("model_0002", NOW_MS + 9)
    assert (await database.models.get("model_0002")).deleted_at_ms == NOW_MS + 5
    with pytest.raises(NotFound, match=r"model model_0002 \(cats@2\) was deleted on 2025-11-21 at 01:55 UTC"):
        await database.models.point("model_0002", "production")
    with pytest.raises(NotFound, match="model_9"):
        await database.models.delete("model_9", NOW_MS)


async def test_names_of_which_no_model_is_left_are_not_listed(database):
    await finish(database, model(1))
    await database.models.delete("model_0001", NOW_MS)
    assert await database.models.names() == []


async def test_a_model_that_an_alias_points_to_cannot_be_deleted(database):
    await finish(database, model(1))
    for alias in ("production", "best"):
        await database.models.point("model_0001", alias)
    with pytest.raises(Conflict, match=r"cats@1 is what best and production stand for; .*models unalias cats@1 best`"):
        await database.models.delete("model_0001", NOW_MS)
    assert (await database.models.get("model_0001")).deleted_at_ms is None


async def test_with_a_model_go_the_artifacts_and_checkpoints_of_its_attempt(database):
    def fresh(run: Run):
        artifacts = (Artifact(job_id=run.job.id, attempt=1, ref=ref("model.onnx")),)
        after = lifecycle.succeed(run, NOW_MS, model_id=f"mdl_{run.job.id}")
        made = model(int(run.job.id[-4:]), id=f"mdl_{run.job.id}")
        return changed(run, after, NOW_MS, model=made, artifacts=artifacts)

    for number in (1, 2):
        job_id = f"job_{number:04}"
        await submit(database, job(number))
        await claim(database, job_id)
        await post(database, started(), checkpoint(2, step=5), succeeded(3), job_id=job_id)
        await decide(database, (job_id, 1), fresh)
    await database.models.delete("mdl_job_0001", NOW_MS)
    for number, left in ((1, 0), (2, 1)):
        assert len(await database.history.artifacts(f"job_{number:04}")) == left
        assert len(await database.history.checkpoints(f"job_{number:04}")) == left


async def test_files_are_due_once_the_model_is_deleted_and_its_attempt_gone_and_until_they_are_cleared(database):
    for number in (1, 2, 3):
        await finish(database, model(number))
    for number in (1, 2):
        await bury(database, f"job_{number:04}")
    for number in (2, 3):
        await database.models.delete(f"model_{number:04}", NOW_MS)
    assert [each.id for each in await database.models.condemned()] == ["model_0002"]
    await bury(database, "job_0003")
    await database.models.cleared("model_0002", NOW_MS + 1)
    assert [each.id for each in await database.models.condemned()] == ["model_0003"]
    assert (await database.models.get("model_0002")).cleared_at_ms == NOW_MS + 1


async def test_files_that_an_unfinished_job_begins_from_are_not_due(database):
    await finish(database, model())
    await bury(database, "job_0001")
    await submit(database, job(2, parent="model_0001"))
    await database.models.delete("model_0001", NOW_MS)
    assert await database.models.condemned() == []
    await finish(database, model(3, parent="model_0001"))
    assert (await database.models.get("model_0003")).parent == "model_0001"
    await decide(database, ("job_0002", None), lambda run: changed(run, lifecycle.request_cancel(run, NOW_MS), NOW_MS))
    assert [each.id for each in await database.models.condemned()] == ["model_0001"]


async def test_deleting_and_pointing_at_the_same_moment_leave_no_alias_to_a_deleted_model(database):
    for number in range(1, 7):
        await finish(database, model(number))
    both = (
        (
            database.models.point(f"model_{number:04}", "production"),
            database.models.delete(f"model_{number:04}", NOW_MS),
        )
        for number in range(1, 7)
    )
    ended = await asyncio.gather(*(each for pair in both for each in pair), return_exceptions=True)
    assert all(each is None or type(each) in {Conflict, NotFound} for each in ended), ended
    standing = await database.models.find("cats", "production")
    assert standing is None or standing.deleted_at_ms is None


async def test_an_unknown_model_is_not_found(database):
    with pytest.raises(NotFound, match="model_9"):
        await database.models.get("model_9")
    assert await database.models.list() == []


@pytest.mark.parametrize("number", ["0", "2147483648", "9" * 30, "²"])
async def test_a_number_that_no_version_can_have_is_like_any_unknown_one(database, number):
    await finish(database, model(1))
    with pytest.raises(NotFound, match=rf"there is no model cats@{number}\. "):
        await find(database.models, f"cats@{number}")


async def test_a_job_has_one_model(database):
    await finish(database, model(1))
    await submit(database, job(2))
    await claim(database, "job_0002")
    await post(database, started(), succeeded(2), job_id="job_0002")

    def decision(run: Run):
        made = replace(model(1), id="model_other")
        return changed(run, lifecycle.succeed(run, NOW_MS, model_id=made.id), NOW_MS, model=made)

    with pytest.raises(Conflict):
        await decide(database, ("job_0002", 1), decision)
    assert (await database.jobs.get("job_0002")).job.model_id is None


async def finished(database, imported: Version, number: int = 1):
    """An import that ends with this version, in one transaction."""
    await submit(database, job(number, trainer="importer"))
    await claim(database, f"job_{number:04}")
    await post(database, started(), succeeded(2), job_id=f"job_{number:04}")

    def decision(run):
        after = lifecycle.succeed(run, NOW_MS + 3, imported_version=imported.id)
        return changed(run, after, NOW_MS + 3, imported=imported)

    await decide(database, (f"job_{number:04}", 1), decision)


async def test_an_import_and_its_version_are_one_commit(database):
    await finished(database, version("a"))
    assert (await database.jobs.get("job_0001")).job.imported_version == version("a").id
    assert (await database.datasets.get("cats")).versions == (version("a", number=1),)


async def test_an_import_of_the_same_content_makes_no_second_version(database):
    await finished(database, version("a"))
    await finished(database, version("b"), 2)
    await finished(database, version("a", created_at_ms=NOW_MS + 9), 3)
    assert (await database.jobs.get("job_0003")).job.imported_version == version("a").id
    assert [found.number for found in (await database.datasets.get("cats")).versions] == [2, 1]


async def test_a_version_is_not_kept_when_its_commit_breaks_off(database):
    await submit(database, job(1, trainer="importer"))
    await claim(database, "job_0001")
    await post(database, started(), succeeded(2), job_id="job_0001")

    async def break_off():
        async with database.jobs.transaction() as transaction:
            run = (await transaction.lock([("job_0001", 1)]))[("job_0001", 1)]
            after = lifecycle.succeed(run, NOW_MS + 3, imported_version=version("a").id)
            await transaction.save([changed(run, after, NOW_MS + 3, imported=version("a"))])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()
    assert not (await database.jobs.get("job_0001")).job.state.final
    with pytest.raises(NotFound):
        await database.datasets.get("cats")
