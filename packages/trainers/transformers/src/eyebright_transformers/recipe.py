"""The base config of a task, which a job's own settings are laid on."""

from importlib.resources import files
from typing import Any

import yaml


def recipe(task: str) -> dict[str, Any]:
    return yaml.safe_load((files("eyebright_transformers") / "recipes" / f"{task}.yaml").read_text(encoding="utf-8"))
