"""Which trainers there are, where some are on this machine and some come with a service."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from eyebright.catalog import served
from eyebright.catalog.served import ServedCatalog
from eyebright.errors import NotFound, ServiceUnavailable, TrainerMissing, TrainerUnavailable
from eyebright.testing import FakeCatalog, FakeExecutor, toy_manifest
from eyebright_wire.manifest import TrainerManifest

TIMM = toy_manifest(name="timm", module="eyebright_timm")


class Service(FakeExecutor):
    """A place that brings a trainer, while there is one."""

    def __init__(self, manifest: TrainerManifest | None) -> None:
        super().__init__()
        self.manifest = manifest

    async def describe(self) -> TrainerManifest:
        if self.manifest is None:
            raise ServiceUnavailable("nobody answers")
        return self.manifest


class Nothing(FakeCatalog):
    """No trainer is on this machine, though one could be."""

    async def here(self, name):
        if name == "toy":
            raise TrainerMissing("trainer 'toy' is not installed: run `eyebright trainers install toy`")
        raise NotFound(f"there is no {name}")

    async def installed(self):
        return []

    async def list(self):
        return [
            view.model_copy(update={"installed": False, "problem": "not installed"}) for view in await super().list()
        ]


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "services.json"


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is busy takes longer to keep what a service said."""
    monkeypatch.setattr("eyebright.catalog.served.FIRST_SECONDS", 60.0)


async def test_without_a_trainer_of_its_own_a_server_has_those_of_its_services(memory):
    catalog = ServedCatalog(Nothing(), {"service:gpus": Service(toy_manifest()), "service:more": Service(TIMM)}, memory)
    async with catalog.listening():
        found = await catalog.environment("toy")
        assert (found.python, found.executors, found.manifest) == (None, ("service:gpus",), toy_manifest())
        assert [each.trainer for each in await catalog.installed()] == ["toy", "timm"]
        views = {view.name: view for view in await catalog.list()}
        assert views["toy"].installed
        assert views["toy"].executors == ("service:gpus",)
        assert views["timm"].environment == "service:more"


@pytest.mark.parametrize(
    ("executors", "default", "here"),
    [(("local", "service:gpus"), "local", True), (("service:gpus", "local"), "service:gpus", False)],
)
async def test_the_first_place_that_has_a_trainer_is_its_default(memory, executors, default, here):
    served = toy_manifest(version="2.0")
    places = {"local": FakeExecutor(), "service:gpus": Service(served)}
    catalog = ServedCatalog(FakeCatalog(), {name: places[name] for name in executors}, memory)
    async with catalog.listening():
        found = await catalog.environment("toy")
        assert found.executors == executors
        assert (found.executors[0], found.python is not None) == (default, here)
        assert (await catalog.environment("toy", "service:gpus")).manifest.version == "2.0", "as it is there"
        assert (await catalog.environment("toy", "local")).manifest.version == "1.0"
        assert (await catalog.here("toy")).python is not None


async def test_what_a_service_said_is_known_after_a_restart_while_it_is_away(memory):
    async with ServedCatalog(Nothing(), {"service:gpus": Service(toy_manifest())}, memory).listening():
        pass
    later = ServedCatalog(Nothing(), {"service:gpus": Service(None)}, memory)
    async with later.listening():
        assert (await later.environment("toy")).executors == ("service:gpus",)


async def test_what_two_services_say_at_once_is_known_of_both_after_a_restart(memory, monkeypatch):
    keep, begun, late = served.replace_durably, threading.Event(), iter([0.5])

    def kept(path: Path, content: bytes) -> None:
        begun.set()
        time.sleep(next(late, 0))
        keep(path, content)

    class Second(Service):
        async def describe(self) -> TrainerManifest:
            await asyncio.to_thread(begun.wait, 60)
            return await super().describe()

    monkeypatch.setattr(served, "replace_durably", kept)
    places = {"service:gpus": Service(toy_manifest()), "service:more": Second(TIMM)}
    async with ServedCatalog(Nothing(), places, memory).listening():
        pass
    later = ServedCatalog(Nothing(), {name: Service(None) for name in places}, memory)
    assert [each.trainer for each in await later.installed()] == ["toy", "timm"]


async def test_a_service_that_changes_is_heard(memory, monkeypatch):
    monkeypatch.setattr("eyebright.catalog.served.FRESH_SECONDS", 0.01)
    service = Service(toy_manifest())
    catalog = ServedCatalog(Nothing(), {"service:gpus": service}, memory)
    async with catalog.listening():
        service.manifest = TIMM
        await until_it_has(catalog, "timm")
        with pytest.raises(TrainerMissing):
            await catalog.environment("toy")


async def test_a_service_that_was_away_at_the_start_is_heard_once_it_is_there(memory, monkeypatch):
    monkeypatch.setattr("eyebright.catalog.served.UNHEARD_SECONDS", 0.01)
    service = Service(None)
    catalog = ServedCatalog(Nothing(), {"service:gpus": service}, memory)
    async with catalog.listening():
        for name in ("toy", "of-nobody-knows"):
            with pytest.raises(TrainerUnavailable, match="may be at service:gpus, which has never answered") as unknown:
                await catalog.environment(name)
            assert not isinstance(unknown.value, TrainerMissing), "it may come"
        service.manifest = toy_manifest()
        await until_it_has(catalog, "toy")


async def test_a_service_that_was_never_heard_is_believed_to_have_what_is_ordered_there(memory):
    catalog = ServedCatalog(FakeCatalog(), {"local": FakeExecutor(), "service:gpus": Service(None)}, memory)
    found = await catalog.environment("toy", "service:gpus")
    assert (found.executors, found.python) == (("service:gpus",), None)
    assert (await catalog.environment("toy")).executors == ("local",)


async def test_a_trainer_that_is_not_at_the_place_that_was_named_is_refused(memory):
    catalog = ServedCatalog(FakeCatalog(), {"local": FakeExecutor(), "service:gpus": Service(TIMM)}, memory)
    async with catalog.listening():
        with pytest.raises(TrainerMissing, match="not at service:gpus, which has timm; it is at local"):
            await catalog.environment("toy", "service:gpus")
        with pytest.raises(NotFound, match=r"unknown trainer 'tim'\. Did you mean 'timm'\?"):
            await catalog.environment("tim")


async def test_a_trainer_here_is_of_no_use_where_nothing_is_trained_here(memory):
    catalog = ServedCatalog(FakeCatalog(), {"service:gpus": Service(TIMM)}, memory)
    async with catalog.listening():
        with pytest.raises(TrainerMissing, match="add local to EYEBRIGHT_EXECUTORS"):
            await catalog.environment("toy")
        assert [each.trainer for each in await catalog.installed()] == ["timm"]
        assert (await catalog.here("toy")).python is not None, "but it can still predict"


async def test_what_is_done_on_this_machine_needs_the_trainer_here(memory):
    catalog = ServedCatalog(Nothing(), {"service:gpus": Service(toy_manifest())}, memory)
    async with catalog.listening():
        with pytest.raises(TrainerMissing, match=r"at service:gpus only.*`eyebright trainers install toy` there"):
            await catalog.here("toy")


async def test_a_memory_that_cannot_be_read_is_none(memory):
    memory.write_text('{"manifests": {"service:gpus": 1}}')
    with pytest.raises(TrainerUnavailable):
        await ServedCatalog(Nothing(), {"service:gpus": Service(None)}, memory).environment("toy")


async def until_it_has(catalog: ServedCatalog, trainer: str) -> None:
    async with asyncio.timeout(60):
        while trainer not in [each.trainer for each in await catalog.installed()]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (toy_manifest(name="importer"), "Eyebright has one of that name"),
        (
            toy_manifest(
                tasks=tuple(
                    task.model_copy(update={"config_schema": {"properties": {"lr0": {"$ref": "http://127.0.0.1/lr0"}}}})
                    for task in toy_manifest().tasks
                )
            ),
            "expected references within itself",
        ),
    ],
)
async def test_a_manifest_that_could_mislead_the_server_is_not_taken(memory, capsys, manifest, said):
    catalog = ServedCatalog(Nothing(), {"service:gpus": Service(manifest)}, memory)
    async with catalog.listening():
        assert await catalog.installed() == []
    assert said in capsys.readouterr().out
