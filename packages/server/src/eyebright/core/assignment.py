"""A setting as `--set KEY=VALUE` takes it: what is written here is read back as the same value."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

#: Words that YAML 1.2 takes for words. Everything else is written in quotes.
_PLAIN = re.compile(r"[A-Za-z_/](?:[\w./:,+ -]*[\w./:,+-])?", re.ASCII)
_VALUES = frozenset({"null", "true", "false"})


def written(value: object) -> str:
    """A word, a number, or JSON, which is YAML too."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _VALUES:
        return value
    return json.dumps(value, ensure_ascii=False)


def train_command(trainer: str, task: str, model: str, settings: Mapping[str, Any], *, dataset: str = "DATASET") -> str:
    """The order as a person would type it, to be read, copied and pasted."""
    words = ["eyebright", "train", dataset, "--trainer", trainer, "--task", task, "--model", model]
    return shlex.join([*words, *(part for item in settings.items() for part in _assignment(*item))])


def _assignment(key: str, value: object) -> tuple[str, str]:
    return "--set", f"{key}={written(value)}"
