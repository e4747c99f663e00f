"""The catalogue of trainers."""

import asyncio
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from harness.trainers import Trainers

from eyebright import plugins
from eyebright.catalog import builtin, uv
from eyebright.catalog.project import TrainerProject
from eyebright.catalog.trainers import CHECKOUT, CatalogSettings, TrainerCatalog
from eyebright.errors import NotFound, StorageFull, TrainerMissing, TrainerUnavailable, Unavailable
from eyebright.settings import process_environment


def silent(_: str) -> None:
    """Nobody listens."""


async def test_an_unknown_trainer_is_answered_with_the_nearest_name(trainers: Trainers) -> None:
    trainers.add("torchvision")
    with pytest.raises(NotFound, match=r"unknown trainer 'torchvison'\. Did you mean 'torchvision'\?"):
        await trainers.catalog().environment("torchvison")


async def test_a_trainer_without_environment_says_how_to_install_it(trainers: Trainers) -> None:
    trainers.add("toy")
    with pytest.raises(TrainerMissing, match="run `eyebright trainers install toy`"):
        await trainers.catalog().environment("toy")
    (view,) = await trainers.catalog().list()
    assert (view.installed, view.stale) == (False, False)


async def test_an_environment_whose_interpreter_was_uninstalled_is_stale(trainers: Trainers) -> None:
    project = trainers.add("toy")
    await trainers.catalog().install("toy", silent)
    (project / ".venv" / "bin" / "python").unlink()
    with pytest.raises(TrainerUnavailable, match="run `eyebright trainers install toy`") as told:
        await trainers.catalog().environment("toy")
    assert not isinstance(told.value, TrainerMissing)
    (view,) = await trainers.catalog().list()
    assert (view.installed, view.stale) == (False, True)


async def test_a_missing_folder_of_trainers_names_the_setting(trainers: Trainers) -> None:
    shutil.rmtree(trainers.add("toy"))
    with pytest.raises(TrainerUnavailable, match=r"no trainer project in .*toy.*EYEBRIGHT_TRAINERS_DIR"):
        await trainers.catalog().environment("toy")
    with pytest.raises(TrainerUnavailable, match="EYEBRIGHT_TRAINERS_DIR"):
        await trainers.catalog().install("toy", silent)


async def test_an_installed_trainer_has_its_interpreter_manifest_and_lock(trainers: Trainers) -> None:
    project = trainers.add("toy")
    said: list[str] = []
    made = await trainers.catalog().install("toy", said.append)
    assert said == ["Resolved 3 packages in 1ms", "+ torch==2.15.0"]
    assert (made.trainer, made.module, made.python) == ("toy", "eyebright_toy", project / ".venv" / "bin" / "python")
    assert made.manifest.version == "1.0"
    assert made.lock_sha256 == hashlib.sha256((project / "uv.lock").read_bytes()).hexdigest()
    assert await trainers.catalog().environment("toy") == made


async def test_development_tools_are_installed_only_when_wanted_and_never_removed(trainers: Trainers) -> None:
    project = trainers.add("toy")
    await trainers.catalog().install("toy", silent)
    assert "sync --frozen --no-dev --inexact --project" in (project / "uv.log").read_text()
    (project / "uv.log").unlink()
    await trainers.catalog(dev_tools=True).install("toy", silent)
    assert "sync --frozen --project" in (project / "uv.log").read_text()


async def test_the_preferred_trainer_comes_first_and_broken_ones_not_at_all(trainers: Trainers) -> None:
    for name, rank in [("toy", 1000), ("alpha", 50), ("torchvision", 10), ("absent", 1), ("broken", 2)]:
        trainers.add(name, rank)
    for name in ("toy", "alpha", "torchvision", "broken"):
        await trainers.catalog().install(name, silent)
    (trainers.folder / "broken" / "src" / "describe.json").write_text("ImportError: no torch\n")
    assert [made.trainer for made in await trainers.catalog().installed()] == ["torchvision", "alpha", "toy"]


def test_the_toy_is_never_preferred() -> None:
    assert builtin.torchvision.rank < builtin.toy.rank


async def test_the_list_shows_what_each_can_do_or_why_it_cannot(trainers: Trainers) -> None:
    trainers.add("toy", rank=2)
    trainers.add("torchvision", rank=1)
    await trainers.catalog().install("toy", silent)
    torchvision, toy = await trainers.catalog().list()
    assert (torchvision.name, torchvision.installed, torchvision.tasks) == ("torchvision", False, {})
    assert "eyebright trainers install torchvision" in torchvision.problem
    assert (toy.name, toy.installed, toy.version, toy.problem) == ("toy", True, "1.0", "")
    assert toy.tasks == {"classification": ("resnet18",)}
    assert toy.environment == str(trainers.folder / "toy" / ".venv")


async def test_what_is_not_installed_is_told_by_its_project(trainers: Trainers) -> None:
    project = trainers.add("toy")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "toy"\ndescription = "Honest"\nlicense = "MIT"\n[tool.eyebright]\ntasks = ["classification"]\n'
        'aliases = { classification = ["sorting"] }\n'
    )
    (view,) = await trainers.catalog().list()
    assert (view.installed, view.licence, view.description, view.tasks, view.aliases) == (
        False, "MIT", "Honest", {"classification": ()}, {"classification": ("sorting",)},
    )  # fmt: skip


async def test_a_project_that_cannot_be_read_promises_nothing(trainers: Trainers) -> None:
    (trainers.add("toy") / "pyproject.toml").write_text("[project\n")
    (view,) = await trainers.catalog().list()
    assert (view.licence, view.tasks) == (None, {})


@pytest.mark.parametrize("name", plugins.names("eyebright.trainers"))
async def test_each_project_tells_what_its_trainer_says_once_it_is_installed(name: str) -> None:
    source = plugins.load("eyebright.trainers", name)
    (view,) = await TrainerCatalog([source], CatalogSettings(environment=process_environment())).list()
    assert view.installed, view.problem
    told = TrainerProject(source, CHECKOUT / source.project).promise()
    assert (told.licence, set(told.tasks), told.aliases) == (view.licence, set(view.tasks), view.aliases)
    assert told.description


# The manifest


async def test_a_trainer_is_asked_about_itself_once(trainers: Trainers) -> None:
    trainers.add("toy")
    await trainers.catalog().install("toy", silent)
    await trainers.catalog().list()
    assert trainers.asked("toy") == 1


async def test_callers_at_the_same_time_wait_for_one_answer(trainers: Trainers) -> None:
    project = trainers.add("toy")
    await trainers.catalog().install("toy", silent)
    (project / ".venv" / "eyebright-manifest.json").unlink()
    catalog = trainers.catalog()
    await asyncio.gather(*(catalog.environment("toy") for _ in range(5)))
    assert trainers.asked("toy") == 2


async def test_an_edited_trainer_is_asked_again(trainers: Trainers) -> None:
    trainers.add("toy")
    catalog = trainers.catalog()
    await catalog.install("toy", silent)
    trainers.describe("toy", version="2.0")
    assert (await catalog.environment("toy")).manifest.version == "2.0"
    assert (await trainers.catalog().environment("toy")).manifest.version == "2.0"
    assert trainers.asked("toy") == 2


async def test_a_trainers_files_are_read_once_in_a_while_and_after_an_installation(trainers: Trainers) -> None:
    trainers.add("toy")
    catalog = trainers.catalog(remembered_seconds=3600)
    await catalog.install("toy", silent)
    trainers.describe("toy", version="2.0")
    assert (await catalog.environment("toy")).manifest.version != "2.0"
    assert (await catalog.install("toy", silent)).manifest.version == "2.0"


async def test_a_trainer_is_asked_again_when_what_it_shares_with_others_was_edited(trainers: Trainers) -> None:
    project = trainers.add("toy")
    shared = trainers.folder / "shared" / "src" / "shared.py"
    shared.parent.mkdir(parents=True)
    shared.write_text("DEFAULT = 1")
    with (project / "pyproject.toml").open("a") as file:
        file.write('\n[tool.uv.sources]\nshared = { path = "../shared", editable = true }\n')
    await trainers.catalog().install("toy", silent)
    shared.write_text("DEFAULT = 2")
    await trainers.catalog().environment("toy")
    assert trainers.asked("toy") == 2


async def test_a_damaged_note_of_the_manifest_is_replaced(trainers: Trainers) -> None:
    project = trainers.add("toy")
    made = await trainers.catalog().install("toy", silent)
    note = project / ".venv" / "eyebright-manifest.json"
    whole = note.read_text()
    for damage in ("", "[]", '{"fingerprint": 1}', whole[:-20]):
        note.write_text(damage)
        assert await trainers.catalog().environment("toy") == made
    assert json.loads(note.read_text()) == json.loads(whole)


async def test_compiled_files_do_not_make_another_trainer(trainers: Trainers) -> None:
    project = trainers.add("toy")
    await trainers.catalog().install("toy", silent)
    (project / "src" / "__pycache__").mkdir()
    (project / "src" / "__pycache__" / "x.pyc").write_bytes(b"compiled")
    await trainers.catalog().environment("toy")
    assert trainers.asked("toy") == 1


async def test_a_trainer_that_does_not_start_says_so(trainers: Trainers) -> None:
    project = trainers.add("toy")
    (project / "python").write_text("#!/bin/sh\necho 'ImportError: libcuda.so' >&2\nexit 1\n")
    with pytest.raises(TrainerUnavailable, match=r"does not start: ImportError: libcuda.so.*trainers install toy"):
        await trainers.catalog().install("toy", silent)


async def test_an_environment_that_is_not_what_the_lock_says_is_refused(trainers: Trainers) -> None:
    project = trainers.add("toy")
    await trainers.catalog().install("toy", silent)
    (project / "uv.lock").write_text("version = 1\n# torch 2.16\n")
    (project / "plan").write_text("Would install 1 package\n - torch==2.15.0\n + torch==2.16.0\n")
    with pytest.raises(TrainerUnavailable, match=r"not what its lock says.*trainers install toy"):
        await trainers.catalog().environment("toy")


async def test_a_local_source_that_was_merely_touched_is_no_change(trainers: Trainers) -> None:
    project = trainers.add("toy")
    await trainers.catalog().install("toy", silent)
    trainers.describe("toy", version="1.1")
    (project / "plan").write_text("Would install 1 package\n ~ eyebright-kit==0.1.0\nerror: outdated\n")
    assert (await trainers.catalog().environment("toy")).manifest.version == "1.1"


async def test_a_trainer_sees_nothing_of_the_servers_secrets(trainers: Trainers) -> None:
    project = trainers.add("toy")
    trainers.variables["EYEBRIGHT_TOKEN"] = trainers.variables["AWS_SECRET_ACCESS_KEY"] = "hidden"
    await trainers.catalog().install("toy", silent)
    assert "hidden" not in (project / "asked.environ").read_text()


# Installing


async def test_uv_gets_proxies_and_indexes_but_no_other_environment(trainers: Trainers) -> None:
    project = trainers.add("toy")
    trainers.variables |= {
        "HTTPS_PROXY": "http://proxy:3128",
        "UV_DEFAULT_INDEX": "https://index/simple",
        "VIRTUAL_ENV": "/work/.venv",
        "UV_PROJECT_ENVIRONMENT": "/elsewhere",
        "PYTHONPATH": "/elsewhere",
        "EYEBRIGHT_TOKEN": "hidden",
    }
    await trainers.catalog().install("toy", silent)
    seen = dict(line.partition("=")[::2] for line in (project / "uv.environ").read_text().splitlines())
    assert (seen["HTTPS_PROXY"], seen["UV_DEFAULT_INDEX"]) == ("http://proxy:3128", "https://index/simple")
    assert seen["UV_PROJECT_ENVIRONMENT"] == str(project / ".venv")
    assert not {"VIRTUAL_ENV", "PYTHONPATH", "EYEBRIGHT_TOKEN"} & seen.keys()


@pytest.mark.parametrize(
    ("words", "raised", "hint"),
    [
        (
            "error: Failed to fetch: `https://pypi.org/simple/torch/`\n  Caused by: dns error",
            Unavailable,
            "check the network",
        ),
        (
            "error: failed to write file\n  Caused by: No space left on device (os error 28)",
            StorageFull,
            "free some space",
        ),
        ("error: Unable to find lockfile at `uv.lock`", Unavailable, "uv lock --project"),
        ("error: something new", Unavailable, "--verbose --project"),
    ],
)
async def test_a_failed_installation_says_what_to_do_and_repeats_uvs_words(
    trainers: Trainers, words: str, raised: type[Exception], hint: str
) -> None:
    project = trainers.add("toy")
    (project / "broken").write_text(words)
    with pytest.raises(raised) as caught:
        await trainers.catalog().install("toy", silent)
    assert hint in str(caught.value)
    assert words.splitlines()[-1].strip() in str(caught.value)


@pytest.mark.parametrize(
    ("checkout", "pip", "way"),
    [
        (True, True, r"python3 .*/tools/bootstrap_uv\.py .*/\.uv$"),
        (False, True, r"-m pip install uv$"),
        (False, False, r"docs\.astral\.sh"),
    ],
    ids=["in a checkout", "with pip", "without pip"],
)
async def test_a_missing_uv_says_how_to_get_it(
    trainers: Trainers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkout: bool, pip: bool, way: str
) -> None:
    trainers.add("toy")
    shutil.rmtree(tmp_path / ".uv")
    trainers.variables["PATH"] = str(tmp_path)
    if checkout:
        (tmp_path / "tools").mkdir()
        (tmp_path / "tools" / "bootstrap_uv.py").write_text("")
    monkeypatch.setattr(uv, "HERE", tmp_path / "packages" / "uv.py")
    monkeypatch.setattr(uv, "find_spec", lambda _: object() if pip else None)
    with pytest.raises(Unavailable, match=rf"`uv` is needed.*{way}"):
        await trainers.catalog().install("toy", silent)


async def test_the_checkouts_own_uv_is_found_wherever_the_trainers_lie(tmp_path: Path) -> None:
    """As with EYEBRIGHT_TRAINERS_DIR."""
    assert uv.Uv.find(tmp_path, {"PATH": ""}).executable.is_file()


async def test_uv_on_the_path_will_do(trainers: Trainers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainers.add("toy")
    monkeypatch.setattr(uv, "HERE", tmp_path / "packages" / "uv.py")
    shutil.move(tmp_path / ".uv" / "bin", tmp_path / "bin")
    trainers.variables["PATH"] += f":{tmp_path / 'bin'}"
    assert (await trainers.catalog().install("toy", silent)).trainer == "toy"


# Checking


async def test_a_check_is_read_whatever_was_printed_before(trainers: Trainers) -> None:
    project = trainers.add("toy")
    report = {"ok": False, "seconds": 1.5, "checks": [{"name": "predicts", "ok": False, "message": "no labels"}]}
    (project / "src" / "check.json").write_text(json.dumps(report) + "\n")
    catalog = trainers.catalog()
    await catalog.install("toy", silent)
    verdict = await catalog.check("toy")
    assert (verdict.ok, verdict.seconds, len(verdict.checks)) == (False, 1.5, 1)
    assert (verdict.checks[0].name, verdict.checks[0].message) == ("predicts", "no labels")


async def test_a_check_that_crashes_is_told(trainers: Trainers) -> None:
    trainers.add("toy")
    catalog = trainers.catalog()
    await catalog.install("toy", silent)
    with pytest.raises(TrainerUnavailable, match=r"could not try itself out.*check.json"):
        await catalog.check("toy")
