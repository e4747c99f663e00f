"""What the operator's policy on licences means for what can be chosen."""

import pytest

from eyebright.errors import LicenceDenied
from eyebright.services.recipes import Recipes
from eyebright.testing import FakeCatalog, toy_manifest
from eyebright_wire.resources import ResolutionRequest

DENIED = ("AGPL-3.0",)
STRICT = toy_manifest(name="strict", licence="AGPL-3.0-only")
FREE = toy_manifest(name="free")


@pytest.fixture
def recipes() -> Recipes:
    return Recipes(FakeCatalog(STRICT, FREE), DENIED)


async def test_what_is_denied_is_no_recipe(recipes: Recipes):
    assert [recipe.name for recipe in await recipes.list()] == ["free/classification"]
    assert len(await Recipes(FakeCatalog(STRICT, FREE)).list()) == 2


async def test_a_denied_recipe_is_refused_with_the_reason(recipes: Recipes):
    for asked in (
        recipes.get("strict/classification"),
        recipes.resolve("strict/classification", ResolutionRequest()),
    ):
        with pytest.raises(LicenceDenied, match=r"strict is under AGPL-3\.0-only.*EYEBRIGHT_LICENCE_DENY"):
            await asked


async def test_a_denied_trainer_is_listed_with_the_reason(recipes: Recipes):
    strict, free = await recipes.trainers()
    assert "EYEBRIGHT_LICENCE_DENY" in strict.problem
    assert not free.problem
