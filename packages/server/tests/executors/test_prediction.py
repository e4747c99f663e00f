"""Predictions by a child process."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from eyebright.errors import ConfigInvalid, InvalidRequest, TrainerUnavailable, Unavailable
from eyebright.executors.prediction import ChildProcessPredictor, PredictionSettings
from eyebright.ports.executor import Environment
from eyebright_wire.answers import PredictionAnswer
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.predictions import FoundObject

MODULE = """
import json, os, sys, time
from pathlib import Path

model, image = Path(sys.argv[2]), Path(sys.argv[3])
(model / "seen.json").write_text(json.dumps(
    {"image": image.read_text(), "mode": image.parent.stat().st_mode, "path": str(image), "environ": dict(os.environ)}))
exec((model / "do.py").read_text())
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "fake_trainer.py").write_text(MODULE)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{sys.executable}" -S "$@"\n')
    python.chmod(0o700)
    manifest = TrainerManifest(name="fake", version="1", module="fake_trainer", licence="Apache-2.0", tasks=())
    return Environment("fake", "fake_trainer", python, "0" * 64, manifest)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


async def predict(environment: Environment, model: Path, do: str, **settings: Any) -> PredictionAnswer:
    (model / "do.py").write_text(do)
    served = {"PATH": os.defpath, "EYEBRIGHT_TOKEN": "secret"}
    predictor = ChildProcessPredictor(PredictionSettings(environment=served, **settings))
    return await predictor.predict(environment, model, b"pixels")


SCORES = [{"label": "dog", "score": 0.25}, {"label": "cat", "score": 0.75}]
ANSWER = json.dumps({"scores": SCORES, "seconds": 0.1})


async def test_scores_come_best_first_whatever_was_printed_before(environment: Environment, model: Path) -> None:
    do = f"print('loading the framework')\nprint({ANSWER!r})"
    answer = await predict(environment, model, do)
    assert [(score.label, score.score) for score in answer.scores] == [("cat", 0.75), ("dog", 0.25)]
    assert answer.objects == ()


async def test_objects_come_best_first_with_all_that_is_known_of_them(environment: Environment, model: Path) -> None:
    box = [1.0, 2.0, 30.0, 40.0]
    car = {"label": "car", "score": 0.2, "box": box, "corners": [1.0, 2.0, 30.0, 2.0, 30.0, 40.0, 1.0, 40.0]}
    hand = {"label": "hand", "score": 0.9, "box": box, "keypoints": [{"x": 3.0, "y": 4.0, "score": 0.5}]}
    do = f"print({json.dumps({'objects': [car, hand], 'seconds': 0.1})!r})"
    answer = await predict(environment, model, do)
    assert answer.objects == (FoundObject.model_validate(hand), FoundObject.model_validate(car))


async def test_the_image_is_private_and_gone_afterwards(
    environment: Environment, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    await predict(environment, model, f"print({ANSWER!r})")
    seen = json.loads((model / "seen.json").read_text())
    assert seen["image"] == "pixels"
    assert stat.S_IMODE(seen["mode"]) == 0o700
    assert seen["path"].startswith(str(tmp_path / "temporary"))
    assert _entries(tmp_path / "temporary") == []
    assert "secret" not in seen["environ"].values()
    assert seen["environ"]["CUDA_VISIBLE_DEVICES"] == ""


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_what_is_no_image_is_the_callers_mistake_in_the_trainers_words(
    environment: Environment, model: Path
) -> None:
    with pytest.raises(InvalidRequest, match=r"^this is a text file, not a picture$"):
        await predict(
            environment, model, "sys.exit(print('this is a text file, not a picture', file=sys.stderr) or 65)"
        )


async def test_the_name_that_only_we_gave_the_image_is_not_told(environment: Environment, model: Path) -> None:
    do = "sys.stderr.write(f'{image.name} cannot be used (it is text)'); sys.exit(65)"
    with pytest.raises(InvalidRequest, match=r"^the image cannot be used \(it is text\)$"):
        await predict(environment, model, do)


async def test_a_model_that_cannot_answer_is_told_once_and_not_called_a_passing_trouble(
    environment: Environment, model: Path
) -> None:
    words = "no model.onnx; train with exports=[onnx]"
    with pytest.raises(ConfigInvalid) as caught:
        await predict(environment, model, f"print('loading', {words!r}, sep='\\n', file=sys.stderr); sys.exit(64)")
    assert (caught.value.status, caught.value.message) == (422, words)


async def test_a_refusal_without_words_names_the_trainer(environment: Environment, model: Path) -> None:
    with pytest.raises(ConfigInvalid, match="trainer 'fake' cannot predict with this model"):
        await predict(environment, model, "sys.exit(64)")


async def test_a_crash_is_told_with_its_last_words(environment: Environment, model: Path) -> None:
    with pytest.raises(Unavailable, match=r"failed \(exit 1\): RuntimeError: no labels.json"):
        await predict(environment, model, "raise RuntimeError('no labels.json')")


async def test_a_kill_is_explained(environment: Environment, model: Path) -> None:
    with pytest.raises(Unavailable, match="killed, most likely for memory"):
        await predict(environment, model, "os.kill(os.getpid(), 9)")


@pytest.mark.parametrize("answer", ["hello", "[]", '{"scores": 1}'])
async def test_an_answer_that_is_none_is_told(environment: Environment, model: Path, answer: str) -> None:
    with pytest.raises(Unavailable, match="gave no answer but ") as caught:
        await predict(environment, model, f"print({answer!r})")
    assert repr(answer) in caught.value.message


async def test_a_prediction_that_takes_too_long_is_ended(environment: Environment, model: Path) -> None:
    with pytest.raises(Unavailable, match=r"longer than 0\.05 s"):
        await predict(environment, model, "time.sleep(600)", timeout_seconds=0.05)


async def test_a_missing_environment_says_how_to_get_it(environment: Environment, model: Path, tmp_path: Path) -> None:
    gone = Environment("fake", "fake_trainer", tmp_path / "gone" / "python", "0" * 64, environment.manifest)
    with pytest.raises(TrainerUnavailable, match="eyebright trainers install fake"):
        await predict(gone, model, "")
