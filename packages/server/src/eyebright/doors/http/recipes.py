"""What can be trained, and with which settings."""

from fastapi import APIRouter

from eyebright.doors.door import Verbs
from eyebright.doors.http.paths import API
from eyebright.doors.problems import refusals
from eyebright_wire.resources import RecipeView, TrainerView

router = APIRouter(prefix=API, tags=["recipes"])


@router.get("/recipes", operation_id="list_recipes", summary="List what can be trained", responses=refusals())
async def list_recipes(verbs: Verbs) -> tuple[RecipeView, ...]:
    """One recipe for each task of each installed trainer."""
    return await verbs.recipes.list()


@router.get(
    "/recipes/{trainer}/{task}",
    operation_id="get_recipe",
    summary="Show a recipe: its settings, their defaults and their limits",
    responses=refusals(404, 503),
)
async def get_recipe(trainer: str, task: str, verbs: Verbs) -> RecipeView:
    return await verbs.recipes.get(f"{trainer}/{task}")


@router.get("/trainers", operation_id="list_trainers", summary="List trainers, installed or not", responses=refusals())
async def list_trainers(verbs: Verbs) -> tuple[TrainerView, ...]:
    return await verbs.recipes.trainers()
