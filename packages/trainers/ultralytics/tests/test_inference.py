"""What a model answers about one image, from its registered files alone."""

import json
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file

from eyebright_kit.runtime.trace import run_verb
from eyebright_ultralytics.manifest import MANIFEST
from eyebright_ultralytics.tasks import task_named
from eyebright_wire.answers import PredictionAnswer


@pytest.mark.usefixtures("fenced")
def test_it_finds_as_many_objects_as_the_run_s_settings_allow(tmp_path: Path):
    labels = {"classes": ["slab", "dart"], "architecture": "yolo11n", "task": "detection", "imgsz": 64, "keypoints": []}
    sees_things_everywhere(labels, tmp_path)
    Image.effect_noise((64, 64), 90).save(tmp_path / "photo.png")
    (tmp_path / "config.json").write_text(json.dumps({"max_det": 3, "iou": 0.99}))
    assert found(tmp_path) == 3
    (tmp_path / "config.json").unlink()  # as of a model that was registered without one
    assert found(tmp_path) > 3


def sees_things_everywhere(labels: dict, folder: Path) -> None:
    """A model by chance, of which every score is high."""
    from eyebright_ultralytics.inference import untrained

    model = untrained(task_named(labels["task"]), labels, len(labels["classes"]))
    for branch in model.model[-1].cv3:
        branch[-1].bias.data.fill_(5)
    save_file(model.state_dict(), folder / "model.safetensors")
    (folder / "labels.json").write_text(json.dumps(labels))


def found(folder: Path) -> int:
    answer = run_verb(MANIFEST.module, "predict", str(folder), str(folder / "photo.png"))
    return len(PredictionAnswer.model_validate_json(answer.stdout).objects)
