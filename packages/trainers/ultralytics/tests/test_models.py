"""Every model that can be ordered is one that Ultralytics ships."""

import json
import subprocess
import sys
from pathlib import Path

from eyebright_ultralytics.manifest import MANIFEST

_LOOK = """
import json, sys
from pathlib import Path
from eyebright_ultralytics import fence
fence.put_up(Path(sys.argv[1]))
from ultralytics.nn.tasks import guess_model_task, yaml_model_load
plans = {name: yaml_model_load(f"{name}.yaml") for name in json.loads(sys.argv[2])}
print(json.dumps({name: [guess_model_task(plan), plan["scale"] in plan["scales"]] for name, plan in plans.items()}))
"""
_TASKS = {
    "detection": "detect",
    "instance_segmentation": "segment",
    "classification": "classify",
    "keypoint_detection": "pose",
    "oriented_detection": "obb",
}


def test_each_name_is_a_plan_of_its_task_and_size(tmp_path: Path):
    names = {model.name: _TASKS[task.name] for task in MANIFEST.tasks for model in task.models}
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, str(tmp_path), json.dumps(list(names))],
        capture_output=True, text=True, check=True, timeout=250,
    )  # fmt: skip
    assert json.loads(done.stdout) == {name: [task, True] for name, task in names.items()}
