"""How a model is named where one is asked for: `mdl_…`, `NAME@ALIAS`, `NAME@3`, or `NAME`, which is its newest.

A model may have any name, also one that looks like something else: what fits first, in this order, is meant.
"""

import re
from contextlib import suppress

from eyebright.core.records import Model
from eyebright.core.resolve import nearest
from eyebright.errors import NotFound, model_deleted, no_model
from eyebright.ports.registry import ModelStore

#: Versions of a name among which a mistyped one is looked for.
VERSIONS_LOOKED_AT = 30
_ID = "mdl_"
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


async def find(store: ModelStore, reference: str) -> Model:
    """Raises NotFound with the nearest that there is, or with when it was deleted."""
    model = await _read(store, reference)
    if model is None:
        raise no_model(reference, await _hint(store, reference))
    if model.deleted_at_ms is not None:
        raise model_deleted(model.id, model.title, model.deleted_at_ms)
    return model


async def _read(store: ModelStore, reference: str) -> Model | None:
    if reference.startswith(_ID):
        with suppress(NotFound):  # then it may be a name after all
            return await store.get(reference)
    name, _, which = reference.rpartition("@")
    if name and (model := await store.find(name, int(which) if _NUMBER.fullmatch(which) else which)):
        return model
    newest = await store.list(limit=1, name=reference)
    return newest[0] if newest else None


async def _hint(store: ModelStore, reference: str) -> str:
    """Nothing for ids: one that looks alike is another model."""
    if reference.startswith(_ID):
        return ""
    name, names = reference.rpartition("@")[0], await store.names()
    hint = nearest(reference, await _versions(store, name) if name in names else names)
    return f".{hint}" if hint else ""


async def _versions(store: ModelStore, name: str) -> list[str]:
    """`cats@3`, `cats@production`, …"""
    found = await store.list(limit=VERSIONS_LOOKED_AT, name=name)
    return [title for model in found for title in (model.title, *(f"{name}@{alias}" for alias in model.aliases))]
