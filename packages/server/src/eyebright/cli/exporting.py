"""What is in the way of an export, said before anything is fetched: the file is there, or the model lacks the form."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eyebright.cli.terminal import busy
from eyebright.client import Client
from eyebright.client.bundle import export_of
from eyebright.core.assignment import train_command
from eyebright.errors import ConfigInvalid, Conflict, InvalidRequest, NotFound
from eyebright_wire.resources import ModelView, RecipeView


def target_of(model: ModelView, form: str, named: Path | None, *, force: bool) -> Path:
    """Raises Conflict for a file that may not be lost, InvalidRequest for a folder."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", model.name).strip("-._") or "model"
    default = f"{plain}-{model.number}-{form}.zip"
    target = (named or Path(default)).expanduser()
    if target.is_dir():
        raise InvalidRequest(f"{target} is a folder; name a file in it, such as {target / default}")
    if target.exists() and not force:
        raise Conflict(f"{target} is there already; name another file with --to, or write over it with --force")
    return target


def with_export(client: Client, model: ModelView, form: str) -> ModelView:
    """The model with that form; its trainer makes it now if the training did not. Raises as `require_export` does, or what became
    of making it."""
    if any(export.format == form for export in model.exports):
        return model
    try:
        order = client.order_export(model.id, form)
    except (
        ConfigInvalid
    ) as error:  # it cannot be made any more: what the model has, and how another is trained, says more
        require_export(client, model, form, error.message)
        raise
    with busy(f"{model.name}@{model.number} has no {form}: making it…"):
        return client.exported(order)


def require_export(client: Client, model: ModelView, form: str, why: str) -> None:
    """Raises NotFound with the forms that the model has, and how one is trained that has this one; or `why` none can be."""
    try:
        export_of(model, form)
    except NotFound as error:
        raise NotFound(f"{error.message}. {_way(client, model, form) or why}") from None


def _way(client: Client, model: ModelView, form: str) -> str:
    """Empty where there is none."""
    try:
        offered = _offered(client.recipe(model.trainer, model.task))
    except NotFound:
        return f"Its trainer {model.trainer} is not here any more"
    if form not in offered:
        return ""
    job = client.job(model.job_id)
    settings = {**job.config, "exports": [form]}
    order = train_command(job.trainer, job.task, job.model, settings, dataset=job.dataset_version)
    return f"Train one that has it: `{order}`"


def _offered(recipe: RecipeView) -> tuple[str, ...]:
    """The forms that its setting `exports` takes, if it has one."""
    exports: Mapping[str, Any] = recipe.config_schema.get("properties", {}).get("exports", {})
    items: Mapping[str, Any] = exports.get("items", {})
    return tuple(items["enum"]) if "enum" in items else (items["const"],) if "const" in items else ()
