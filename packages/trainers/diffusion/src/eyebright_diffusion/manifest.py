"""What this trainer says about itself. Nothing here imports the framework: `describe` must be quick."""

from importlib.resources import files
from typing import Any

import yaml

from eyebright_diffusion import __version__
from eyebright_diffusion.config import LoraConfig
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

MODELS = (
    ModelInfo(
        name="sd15",
        parameters=1_594_368,  # adapters of rank 8
        frozen=859_520_964,  # of the network that carries them
        description="Stable Diffusion 1.5; its weights come from a hub or a folder",
    ),
    ModelInfo(
        name="tiny",
        parameters=19_968,
        frozen=792_964,
        description="The same architecture, tiny, with random weights: to try everything out without a download",
    ),
)


def _recipe(task: str) -> dict[str, Any]:
    return yaml.safe_load((files("eyebright_diffusion") / "recipes" / f"{task}.yaml").read_text(encoding="utf-8"))


MANIFEST = TrainerManifest(
    name="diffusion",
    version=__version__,
    module="eyebright_diffusion",
    licence="Apache-2.0",
    description="LoRA for Stable Diffusion: a style or a thing from a few pictures, for diffusers and other programs.",
    tasks=(
        TaskInfo(
            name="text_to_image",
            aliases=("lora",),
            models=MODELS,
            default_model="sd15",
            tried_model="tiny",
            predicts=False,
            config_schema=LoraConfig.model_json_schema(),
            recipe=_recipe("text_to_image"),
            primary_metric="loss",
        ),
    ),
    layouts=("captions", "metadata", "imagefolder"),
    reads_only=True,
    fetches=True,
    conformance={"epochs": 2, "batch": 2, "resolution": 64, "rank": 2, "trigger": "sks", "save_every_epochs": 1},
    rehearsal={"save_every_epochs": 1, "validation_steps": 2},
)
