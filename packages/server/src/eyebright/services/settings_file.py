"""Settings as a YAML file, in the order in which the recipe has them."""

from collections.abc import Mapping
from typing import Any

import yaml


def as_yaml(settings: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)
