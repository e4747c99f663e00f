"""The house rules that the linters cannot see."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVER = ROOT / "packages/server/src"
FRAMEWORKS = ("torch", "torchvision", "numpy", "sklearn", "onnxruntime", "onnx", "ultralytics", "transformers", "timm")
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
    assert modules_after(*PARTS).isdisjoint({"boto3", "google.cloud.storage", "azure.storage.blob", "azure.identity"})


def test_a_client_carries_no_server():
    assert modules_after("eyebright.client").isdisjoint({"fastapi", "sqlalchemy", "uvicorn", "starlette"})


def test_a_trainer_never_imports_the_server():
    sources = list((ROOT / "packages/trainers").glob("*/src/**/*.py"))
    assert sources
    guilty = [
        path for path in sources if re.search(r"^\s*(from|import) eyebright[\s.]", path.read_text(), re.MULTILINE)
    ]
    assert guilty == []


def test_only_the_settings_read_the_environment():
    """ruff bans the names; this finds what it would not see, such as an alias."""
    readers = {
        path.name
        for path in SERVER.rglob("*.py")
        if re.search(r"\bos\.environ|getenv\(|from os import .*environ", path.read_text())
    }
    assert readers == {"settings.py"}


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


def modules_after(*names: str) -> set[str]:
    probe = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
