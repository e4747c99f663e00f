"""A caller's configuration laid on a recipe: as it was meant, and as it would run."""

from dataclasses import dataclass
from typing import Any

from eyebright.doors.compat.project_training.settings import Wanted, wanted
from eyebright.services import Services
from eyebright_wire.resources import RecipeView, Resolution, ResolutionRequest

UNKNOWN = object()  # no setting is equal to it


def with_model(recipe: RecipeView) -> dict[str, Any]:
    """The schema of a configuration, in which a model is a setting like the others."""
    model = {
        "type": "string",
        "description": "What is trained; with .pt behind it, from its published weights",
        "default": recipe.default_model,
        "examples": list(recipe.models),
        "x-view": "user",
    }
    known = recipe.config_schema
    return {**known, "properties": {"model": model, **known.get("properties", {})}}


@dataclass(frozen=True, slots=True)
class Plan:
    """A configuration, as it was meant and as it would run."""

    meant: Wanted
    found: Resolution
    default_model: str

    @property
    def config(self) -> dict[str, Any]:
        return {"model": self.found.model, **self.found.config}

    @property
    def changes(self) -> dict[str, Any]:
        other = {} if self.found.model == self.default_model else {"model": self.found.model}
        return {**other, **self.found.changes}


async def plan_of(verbs: Services, name: str, config: dict[str, Any], model: str | None) -> Plan:
    """A configuration that repeats the base says nothing by it, so nothing is told of that. Raises ConfigInvalid."""
    recipe = await verbs.recipes.get(name)
    meant = wanted({**config, "model": model or config.get("model")}, recipe.config)
    changes = {key: value for key, value in meant.settings.items() if recipe.config.get(key, UNKNOWN) != value}
    found = await verbs.recipes.resolve(name, ResolutionRequest(model=meant.model, config=changes))
    return Plan(meant, found, recipe.default_model)
