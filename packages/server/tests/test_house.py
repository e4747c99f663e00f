"""The house rules that the linters cannot see."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVER = ROOT / "packages/server/src"
FRAMEWORKS = (
    "torch",
    "torchvision",
    "numpy",
    "sklearn",
    "onnxruntime",
    "onnx",
    "ultralytics",
    "transformers",
    "timm",
    "mmdet",
)
PARTS = (
    "eyebright.app",
    "eyebright.cli.entry",
    "eyebright.client",
    "eyebright.catalog.trainers",
    "eyebright.doors.http",
    "eyebright.executors.local",
    "eyebright.executors.prediction",
    "eyebright.stores.objects.files",
    "eyebright.stores.sql.database",
    "eyebright.subscribers.metrics",
)


def test_the_server_starts_without_any_framework():
    loaded = modules_after(*PARTS)
    assert loaded.isdisjoint(FRAMEWORKS)


def test_the_server_starts_without_the_clients_of_any_store():
    clients = {"boto3", "google.cloud.storage", "azure.storage.blob", "azure.identity", "postgrest"}
    assert modules_after(*PARTS, "eyebright.stores.projects").isdisjoint(clients)


def test_a_client_carries_no_server():
    assert modules_after("eyebright.client").isdisjoint({"fastapi", "sqlalchemy", "uvicorn", "starlette"})


def test_a_trainer_never_imports_the_server():
    assert importers("packages/trainers/*/src", r"eyebright") == []


def test_no_trainer_knows_another_one():
    for trainer in (ROOT / "packages/trainers").glob("*/src/eyebright_*"):
        assert (
            importers(f"packages/trainers/*/src/{trainer.name}", r"eyebright_(?!torch\b|kit\b|wire\b)\w+", trainer.name)
            == []
        )


def test_what_trainers_on_torch_share_knows_neither_a_trainer_nor_its_framework_nor_the_server():
    theirs = r"eyebright(?!_torch\b|_kit\b|_wire\b)\w*|torchvision|timm|transformers|mmdet|mmengine|ultralytics"
    assert importers("packages/torch/src", theirs) == []


def test_the_control_plane_never_imports_what_the_trainers_share():
    for package in ("wire", "kit", "server"):
        assert importers(f"packages/{package}/src", r"eyebright_torch") == []


def test_only_the_settings_read_the_environment():
    """ruff bans the names; this finds what it would not see, such as an alias."""
    readers = {
        str(path.relative_to(SERVER))
        for path in SERVER.rglob("*.py")
        if re.search(r"\bos\.environ|getenv\(|from os import .*environ", path.read_text())
    }
    assert readers == {"eyebright/settings/environment.py"}


def test_what_a_full_disk_is_stands_in_one_place():
    places = {path.name for path in SERVER.rglob("*.py") if re.search(r"ENOSPC|EDQUOT", path.read_text())}
    assert places == {"errors.py"}


@pytest.mark.parametrize("forbidden", ["utils", "common", "helpers", "base", "manager"])
def test_no_module_is_named_after_nothing(forbidden):
    packages = [ROOT / "packages" / name / "src" for name in ("wire", "kit", "server")]
    assert [path for package in packages for path in package.rglob(f"{forbidden}.py")] == []


def test_every_entry_point_of_ours_can_be_loaded():
    from eyebright import plugins

    for group in ("trainers", "executors", "doors", "subscribers"):
        names = plugins.names(f"eyebright.{group}")
        assert names, group
        for name in names:
            assert plugins.load(f"eyebright.{group}", name) is not None


def test_the_arrows_are_kept():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def importers(folders: str, module: str, but: str = "") -> list[str]:
    """The imports of a module, by a pattern of its top-level name, in the sources below these folders; but not of the one called
    `but`."""
    sources = [path for folder in ROOT.glob(folders) for path in folder.rglob("*.py")]
    assert sources
    pattern = re.compile(rf"^\s*(?:from|import) ((?:{module})(?:[.\s]|$).*)", re.MULTILINE)
    found = [(path, line) for path in sources for line in pattern.findall(path.read_text())]
    return [f"{path.name}: {line}" for path, line in found if not (but and line.startswith(but))]


def modules_after(*names: str) -> set[str]:
    probe = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
