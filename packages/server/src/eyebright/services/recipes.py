"""What can be trained, and with which settings."""

from eyebright.core.resolve import nearest
from eyebright.errors import NotFound
from eyebright.ports.catalog import Catalog
from eyebright.ports.executor import Environment
from eyebright_wire.manifest import TaskInfo
from eyebright_wire.resources import RecipeView, TrainerView


class Recipes:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def list(self) -> tuple[RecipeView, ...]:
        """One recipe for each task of each installed trainer."""
        installed = await self._catalog.installed()
        return tuple(_recipe(environment, task) for environment in installed for task in environment.manifest.tasks)

    async def get(self, name: str) -> RecipeView:
        """By `trainer/task`. Raises NotFound with the nearest name, or TrainerUnavailable."""
        trainer, _, task_name = name.partition("/")
        environment = await self._catalog.environment(trainer)
        task = environment.manifest.task(task_name)
        if task is None:
            known = [f"{trainer}/{task.name}" for task in environment.manifest.tasks]
            raise NotFound(f"there is no recipe {name!r}.{nearest(name, known)}")
        return _recipe(environment, task)

    async def trainers(self) -> tuple[TrainerView, ...]:
        return tuple(await self._catalog.list())


def _recipe(environment: Environment, task: TaskInfo) -> RecipeView:
    return RecipeView(
        name=f"{environment.trainer}/{task.name}",
        trainer=environment.trainer,
        task=task.name,
        models=tuple(model.name for model in task.models),
        default_model=task.default_model,
        config=task.recipe,
        config_schema=task.config_schema,
    )
