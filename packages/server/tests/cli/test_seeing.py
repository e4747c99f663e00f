"""What `eyebright models predict` shows."""

import pytest

from eyebright.cli.seeing import show_prediction
from eyebright_wire.predictions import ClassArea, ClassMask, ClassScore, FoundObject, Keypoint
from eyebright_wire.resources import Prediction

HAND = FoundObject(
    label="hand", score=0.912, box=(1.2, 2.6, 30.0, 40.0), keypoints=(Keypoint(x=3, y=4, score=0.5),) * 21
)
LEAF = FoundObject(label="leaf", score=0.5, box=(0, 0, 9, 9), polygons=((0, 0, 9, 0, 9, 9), (1, 1, 2, 1, 2, 2)))
SHIP = FoundObject(label="ship", score=0.4, box=(0, 0, 9, 9), corners=(0, 0, 9, 0, 9, 9, 0, 9))


def seen(*objects: FoundObject, scores: tuple[ClassScore, ...] = ()) -> Prediction:
    return Prediction(model_id="mdl_1", scores=scores, objects=objects, seconds=0.1)


def test_an_object_is_shown_with_its_place_in_pixels(capsys: pytest.CaptureFixture[str]):
    show_prediction(seen(HAND, LEAF, SHIP), None)
    title, *rows = capsys.readouterr().out.splitlines()
    assert title.split() == ["label", "score", "left", "top", "right", "bottom"]
    assert rows[0].split() == ["hand", "91.2", "%", "1", "3", "30", "40", "21", "keypoints"]
    assert rows[1].endswith("outline of 6 points")
    assert rows[2].endswith("turned")


def test_every_object_is_shown_but_only_the_best_classes(capsys: pytest.CaptureFixture[str]):
    show_prediction(seen(*[SHIP] * 40), None)
    assert capsys.readouterr().out.count("ship") == 40
    show_prediction(seen(scores=tuple(ClassScore(label=f"class{n}", score=0.1) for n in range(40))), None)
    assert capsys.readouterr().out.count("class") == 5


def test_no_more_are_shown_than_were_asked_for(capsys: pytest.CaptureFixture[str]):
    show_prediction(seen(HAND, SHIP), 1)
    assert "ship" not in capsys.readouterr().out


def test_a_picture_on_which_nothing_was_found_says_so(capsys: pytest.CaptureFixture[str]):
    show_prediction(seen(), None)
    said = capsys.readouterr()
    assert "Nothing was found." in said.out + said.err


def test_a_mask_is_shown_as_how_much_of_the_picture_each_class_is(capsys: pytest.CaptureFixture[str]):
    areas = (ClassArea(label="road", index=1, share=0.75), ClassArea(label="sky", index=0, share=0.25))
    mask = ClassMask(width=4, height=2, areas=areas, png="")
    show_prediction(Prediction(model_id="mdl_1", mask=mask, seconds=0.1), None)
    title, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert title == ["label", "of", "the", "picture"]
    assert rows == [["road", "75.0", "%"], ["sky", "25.0", "%"]]
