"""Which of MMDetection's configurations can be trained here, and why the others cannot: `python -m eyebright_mmdet.survey` writes
`recipes/names.txt` and `recipes/refused.yaml`, which the manifest tells, so that an order is refused before it waits for a run.

Each model is built, most of them without memory for their weights: some minutes for all.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import torch
import yaml

from eyebright_kit.errors import ConfigInvalid
from eyebright_mmdet import configs, models

_FOLDER = Path(__file__).parent / "recipes"


def reason(name: str) -> str | None:
    """Why it is refused, in words that follow its name; None for one that can be trained."""
    refused = _refused(name, "meta")
    if refused and refused.__cause__:
        refused = _refused(name, "cpu")  # not every model can be built without numbers
    return str(refused).removeprefix(name).strip() if refused else None


def _refused(name: str, device: str) -> ConfigInvalid | None:
    try:
        with torch.device(device):
            models.check(name)
    except ConfigInvalid as error:
        return error
    return None


def survey(names: Iterable[str]) -> dict[str, list[str]]:
    """The refused ones, by reason."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        if why := reason(name):
            found[why].append(name)
    return dict(found)


if __name__ == "__main__":
    refused = survey(configs.names())
    trainable = set(configs.names()).difference(*refused.values())
    (_FOLDER / "refused.yaml").write_text(yaml.safe_dump(refused, width=130), encoding="utf-8")
    (_FOLDER / "names.txt").write_text("".join(f"{name}\n" for name in sorted(trainable)), encoding="utf-8")
