"""What can be trained, and with which settings."""

from fastapi import APIRouter

from eyebright.doors.door import Verbs
from eyebright.doors.http.paths import API
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright_wire.resources import RecipeView, Resolution, ResolutionRequest, TrainerView

router = APIRouter(prefix=API, tags=["recipes"], route_class=NativeRoute)


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


@router.post(
    "/recipes/{trainer}/{task}:resolve",
    operation_id="resolve_recipe",
    summary="Lay settings on a recipe and show what would run",
    responses=refusals(404, 503),
)
async def resolve_recipe(trainer: str, task: str, overrides: ResolutionRequest, verbs: Verbs) -> Resolution:
    """Keeps nothing. Settings that do not fit are all named at once, each with what was expected or the nearest known name."""
    return await verbs.recipes.resolve(f"{trainer}/{task}", overrides)


@router.get("/trainers", operation_id="list_trainers", summary="List trainers, installed or not", responses=refusals())
async def list_trainers(verbs: Verbs) -> tuple[TrainerView, ...]:
    return await verbs.recipes.trainers()
