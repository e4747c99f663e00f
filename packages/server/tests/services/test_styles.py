"""Which job belongs to a style, and where the style has its place."""

from pathlib import PurePosixPath

import pytest

from eyebright.services.styles import STYLE_ID, TASK_ID, StyleTask


def test_a_job_of_a_style_is_known_by_both_labels():
    task = StyleTask(style_id="7", task_id="t-1")
    assert StyleTask.of({**task.labels, "team": "a"}) == task
    assert StyleTask.of({STYLE_ID: "7"}) is None
    assert StyleTask.of({TASK_ID: "t-1"}) is None


@pytest.mark.parametrize(("said", "told"), [("7", 7), ("0", 0), ("007", "007"), ("-1", "-1"), ("9" * 16, "9" * 16)])
def test_an_id_that_is_a_whole_number_is_told_as_one(said: str, told: int | str):
    assert StyleTask(said, "t").style == told


def test_a_plain_id_names_its_folder():
    assert StyleTask("7", "t").folder == "style-7"
    assert StyleTask("night_sky-2", "t").folder == "style-night_sky-2"


@pytest.mark.parametrize("odd", ["../../etc", "a/b", "..", "a\x00b", "C:\\x", "ü", "x" * 65, "", "7\n"])
def test_an_odd_id_is_one_folder_that_no_plain_id_can_name(odd: str):
    folder = StyleTask(odd, "t").folder
    assert PurePosixPath(folder).parts == (folder,)
    assert folder.startswith("style-.")
    assert folder != StyleTask(f"{odd}x", "t").folder
