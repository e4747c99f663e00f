"""The demo's pictures: real, whole, made once."""

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from eyebright.cli import digits
from eyebright.cli.digits import digits_folder
from eyebright.errors import Unavailable
from eyebright_kit.data.inspect import inspect


def no_uv() -> Path:
    raise AssertionError("nothing needs to be fetched")


def some_uv() -> Path:
    return Path("/usr/bin/uv")


def test_all_scans_become_pictures_that_are_ready_to_train(tmp_path: Path) -> None:
    report = inspect(digits_folder(tmp_path, no_uv, small=False))
    assert report.classes == tuple("0123456789")
    assert report.images == {"train": 1442, "val": 355}
    assert report.ready_for("classification").ready


def test_the_small_set_is_small_and_ready_too(tmp_path: Path) -> None:
    report = inspect(digits_folder(tmp_path, no_uv, small=True))
    assert report.images == {"train": 48, "val": 12}
    assert report.ready_for("classification").ready


def test_a_picture_looks_like_its_digit(tmp_path: Path) -> None:
    """The ring of a zero is bright, its hole and the corners are dark."""
    with Image.open(digits_folder(tmp_path, no_uv, small=True) / "train/0/0000.png") as zero:
        assert zero.size == (32, 32)
        assert max(zero.getpixel((16, 15)), zero.getpixel((0, 0)), zero.getpixel((31, 31))) < 60
        assert max(zero.getpixel((x, 15)) for x in range(4, 14)) > 120


def test_pictures_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = digits_folder(tmp_path, no_uv, small=True)
    monkeypatch.setattr(digits, "_source", lambda *_: pytest.fail("made again"))
    assert digits_folder(tmp_path, no_uv, small=True) == first


def test_an_interrupted_making_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(digits, "write_pictures", interrupted)
    with pytest.raises(KeyboardInterrupt):
        digits_folder(tmp_path, no_uv, small=True)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def no_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits.importlib.util, "find_spec", lambda _: None)


@pytest.mark.usefixtures("no_scikit_learn")
def test_without_scikit_learn_only_its_wheel_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__import__("sklearn").__file__).parents[1] / digits.INSIDE

    def fetch(command: list[object], **_: object) -> subprocess.CompletedProcess[str]:
        assert "--no-deps" in command
        target = Path(str(command[command.index("--target") + 1])) / digits.INSIDE
        target.parent.mkdir(parents=True)
        target.write_bytes(here.read_bytes())
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(digits.subprocess, "run", fetch)
    assert digits_folder(tmp_path, some_uv, small=True).is_dir()


@pytest.mark.usefixtures("no_scikit_learn")
def test_a_package_index_out_of_reach_is_told_in_uvs_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = subprocess.CompletedProcess([], 2, "", "error: Failed to fetch: https://pypi.org")
    monkeypatch.setattr(digits.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(Unavailable, match="Failed to fetch"):
        digits_folder(tmp_path, some_uv, small=True)


@pytest.mark.usefixtures("no_scikit_learn")
def test_other_data_under_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(digits.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(Unavailable, match="no longer holds the digits"):
        digits_folder(tmp_path, some_uv, small=True)
