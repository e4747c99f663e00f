"""What lies beside every model, whichever trainer made it."""

import json
from pathlib import Path

import pytest

from eyebright_kit.runtime.folder import read_spec
from eyebright_kit.runtime.papers import hand_over, licence_text
from eyebright_kit.runtime.place import LocalPlace
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.transfer import push
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

TASK = TaskInfo(
    name="classification", models=(ModelInfo(name="m"),), default_model="m", config_schema={}, recipe={"a": 1}
)


def manifest(licence: str = "Apache-2.0", module: str = "mine") -> TrainerManifest:
    return TrainerManifest(name="mine", version="1", module=module, licence=licence, tasks=(TASK,))


class Counter:
    """Takes what is handed over."""

    def __init__(self, folder: Path) -> None:
        self.staging, self.output = folder / "staging", folder / "output"
        self.staging.mkdir()
        self.artifacts: tuple[ArtifactRef, ...] = ()

    def artifact(self, path: str, kind: ArtifactKind, media_type: str) -> ArtifactRef:
        ref = push(self.staging, LocalPlace(self.output), path, kind, media_type)
        self.artifacts += (ref,)
        return ref


@pytest.fixture
def desk(tmp_path: Path) -> Counter:
    return Counter(tmp_path)


def handed_over(desk: Counter, folder: Path, **config: object) -> dict[str, str]:
    spec = TinyJob(folder / "job", manifest()).write_spec(**config)
    hand_over(read_spec(spec), manifest(), desk, desk.staging)
    return {ref.path: (desk.output / ref.path).read_text() for ref in desk.artifacts}


def test_all_settings_and_the_licence_are_handed_over(desk: Counter, tmp_path: Path) -> None:
    papers = handed_over(desk, tmp_path, b="naïve")
    assert json.loads(papers["config.json"]) == {"a": 1, "b": "naïve"}
    assert "Apache License" in papers["LICENCE.txt"]


def test_the_words_in_the_trainers_package_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "worded_trainer"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "COPYING").write_text("Ours, of 2026.")
    monkeypatch.syspath_prepend(tmp_path)
    assert licence_text(manifest(module="worded_trainer")) == "Ours, of 2026."


def test_nobody_makes_up_the_words_of_another_licence() -> None:
    assert licence_text(manifest("MIT")) is None
    assert licence_text(manifest("../papers")) is None
