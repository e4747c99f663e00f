"""What a trainer says about itself (`python -m eyebright_X describe`), read by the control plane without the framework."""

import re
from typing import Any

from pydantic import Field

from eyebright_wire import WIRE_VERSION
from eyebright_wire.model import WireModel


class ModelInfo(WireModel):
    """One architecture that a trainer offers."""

    name: str
    parameters: int | None = None  # that learn, with 1000 classes
    frozen: int = Field(default=0, description="Further parameters, which stay as they are and are in no checkpoint")
    description: str = ""


class TaskInfo(WireModel):
    """One task: its models, its config as JSON Schema, and the recipe that overrides are laid on.

    In `config_schema` a property may carry `x-view` (user | developer), `x-unit`, and `x-expected`: what it
    takes, as a refusal says it. `x-ignored-when` names a setting and its value that make this one mean nothing:
    `{"optimizer": "auto"}`; `x-needed-without: captions`, that this one may not be empty where an image has no caption;
    `x-not-with-models` lists those with which it must keep the recipe's value.
    """

    name: str  # "classification"
    aliases: tuple[str, ...] = Field(
        default=(), description="What else the task is called; answers always tell its name"
    )
    models: tuple[ModelInfo, ...]
    model_pattern: str = Field(default="", description="What other models are called that it takes; empty: none")
    more_models: tuple[str, ...] = Field(
        default=(),
        description="All those others, where their names are known; a dot and the tag of weights may follow one",
    )
    refused_models: dict[str, str] = Field(
        default_factory=dict, description="Known models that it cannot train: why, in words that follow the name"
    )
    default_model: str
    tried_model: str = Field(
        default="", description="The model of the tiniest honest run, where the default one is too large; empty: that"
    )
    config_schema: dict[str, Any]
    recipe: dict[str, Any]  # the base config: every field with its default
    exports: tuple[str, ...] = ()
    exports_later: bool = Field(
        default=False,
        description="These forms can be made of a registered model too, not only at the end of its training",
    )
    takes_parent: bool = Field(
        default=False, description="Training may begin from the weights of a model that this trainer has made"
    )
    predicts: bool = Field(default=True, description="Its models answer about single images")
    primary_metric: str = "top1"

    def offers(self, model: str) -> bool:
        """One of its list, or of those beyond the list. If these are not named, only the framework knows them."""
        return any(model == known.name for known in self.models) or self._takes(model)

    def _takes(self, model: str) -> bool:
        if not self.model_pattern or re.fullmatch(self.model_pattern, model) is None:
            return False
        return not self.more_models or model in self.more_models or model.partition(".")[0] in self.more_models


class TrainerManifest(WireModel):
    name: str
    version: str
    module: str  # `python -m <module>`
    wire: int = WIRE_VERSION
    licence: str  # SPDX
    description: str = ""
    tasks: tuple[TaskInfo, ...]
    layouts: tuple[str, ...] = ("imagefolder",)
    reads_only: bool = Field(
        default=False,
        description="It never writes into a file of its data set, so these may be hard links to the stored images",
    )
    fetches: bool = Field(
        default=False,
        description="Its orders may name what lies in a bucket: it is told where it may fetch from, and the buckets' credentials",
    )
    address_setting: str = Field(
        default="",
        description="The setting that tells where its data lie: it fetches them itself. Empty: it reads what it is granted",
    )
    conformance: dict[str, Any] = Field(default_factory=dict, description="Overrides that make the tiniest honest run")
    rehearsal: dict[str, Any] = Field(
        default_factory=dict, description="Overrides that make the first batches of an order quick to try"
    )

    def task(self, name: str) -> TaskInfo | None:
        """By its name, or by one of its aliases."""
        return next((task for task in self.tasks if name in (task.name, *task.aliases)), None)
