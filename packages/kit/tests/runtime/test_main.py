import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.runtime import Context, Result, main
from eyebright_wire.errors import ExitCode
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.predictions import ClassArea, ClassMask, ClassScore

MANIFEST = TrainerManifest(name="tiny", version="1.2", module="tiny", licence="MIT", tasks=())


class Tiny:
    manifest = MANIFEST

    def fit(self, ctx: Context) -> Result:
        raise AssertionError

    def predict(self, model: Path, image: Path) -> tuple[ClassScore, ...]:
        if model.name == "empty":
            raise ConfigInvalid(f"{model} has no labels.json")
        return (ClassScore(label="cat", score=0.75), ClassScore(label="dog", score=0.25))

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        return None


def _never() -> Tiny:
    raise AssertionError("describe must not load the framework")


def test_describe_prints_the_manifest_without_loading_the_trainer(capsys: pytest.CaptureFixture[str]):
    assert main(MANIFEST, _never, ["describe"]) == 0
    assert TrainerManifest.model_validate_json(capsys.readouterr().out) == MANIFEST


def test_libraries_are_told_not_to_report_home_before_they_are_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    seen: list[str | None] = []

    def load() -> Tiny:
        seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
        return Tiny()

    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    assert main(MANIFEST, load, ["predict", str(tmp_path), str(tmp_path / "image.png")]) == 0
    assert seen == ["1"]


def test_predict_prints_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    assert main(MANIFEST, Tiny, ["predict", str(tmp_path), str(tmp_path / "image.png")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["scores"] == [{"label": "cat", "score": 0.75}, {"label": "dog", "score": 0.25}]
    assert answer["seconds"] >= 0


class Painter(Tiny):
    def predict(self, model: Path, image: Path) -> ClassMask:
        return ClassMask(width=1, height=1, areas=(ClassArea(label="cat", index=0, share=1),), png="AA==")


def test_a_mask_is_printed_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    assert main(MANIFEST, Painter, ["predict", str(tmp_path), str(tmp_path / "image.png")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["scores"], answer["objects"]) == ([], [])
    assert answer["mask"]["areas"] == [{"label": "cat", "index": 0, "share": 1.0}]


def test_predict_that_fails_says_why_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    assert main(MANIFEST, Tiny, ["predict", "/empty", str(tmp_path / "image.png")]) == ExitCode.BAD_CONFIG
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "/empty has no labels.json\n")


def _bomb(path: Path) -> None:
    Image.new("1", (14_000, 14_000)).save(path)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: path.write_text("I am a text"), "not an image"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (_bomb, "196 megapixels"),
        (lambda _: None, "there is no file"),
    ],
)
def test_what_is_no_usable_image_is_refused_before_the_framework_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], object], found: str
):
    make(tmp_path / "image.png")
    assert main(MANIFEST, _never, ["predict", str(tmp_path), str(tmp_path / "image.png")]) == ExitCode.BAD_DATA
    assert found in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [[], ["rnu", "spec.json"], ["run"], ["run", "a", "b"], ["predict", "x"], ["describe", "--loud"]]
)
def test_a_wrong_command_line_is_answered_with_the_right_one(argv: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(MANIFEST, _never, argv)
    assert caught.value.code == ExitCode.BAD_CONFIG
    assert "usage: python -m tiny" in capsys.readouterr().err


def test_a_mistyped_verb_is_answered_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.argv", ["tiny", "descirbe"])
    with pytest.raises(SystemExit):
        main(MANIFEST, _never)
    assert "did you mean 'describe'?" in capsys.readouterr().err


def test_the_version_can_be_asked(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(MANIFEST, _never, ["--version"])
    assert capsys.readouterr().out == "tiny 1.2\n"
