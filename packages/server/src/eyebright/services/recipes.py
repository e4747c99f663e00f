"""What can be trained, with which settings, and what would run with some of them changed."""

from collections.abc import Collection

from eyebright.core.assignment import train_command
from eyebright.core.preflight import check_licence, is_denied, model_of, refused_by_licence
from eyebright.core.resolve import nearest, resolve
from eyebright.errors import NotFound
from eyebright.ports.catalog import Catalog
from eyebright.ports.executor import Environment
from eyebright.services.settings_file import as_yaml
from eyebright_wire.manifest import TaskInfo
from eyebright_wire.resources import RecipeView, Resolution, ResolutionRequest, TrainerView


class Recipes:
    def __init__(self, catalog: Catalog, licence_deny: Collection[str] = ()) -> None:
        self._catalog = catalog
        self._licence_deny = frozenset(licence_deny)

    async def list(self) -> tuple[RecipeView, ...]:
        """One recipe for each task of each installed trainer that may be used here."""
        installed = await self._catalog.installed()
        allowed = (one for one in installed if not is_denied(one.manifest.licence, self._licence_deny))
        return tuple(_recipe(environment, task) for environment in allowed for task in environment.manifest.tasks)

    async def get(self, name: str) -> RecipeView:
        """By `trainer/task`, where the task may go by an alias. Raises NotFound with the nearest name, TrainerUnavailable or
        LicenceDenied."""
        return _recipe(*await self._find(name))

    async def settings(self, name: str) -> Collection[str]:
        """The names of a recipe's settings. Raises as `get` does."""
        _, task = await self._find(name)
        return task.recipe.keys()

    async def resolve(self, name: str, request: ResolutionRequest) -> Resolution:
        """What would run, with every setting; nothing is kept. Raises as `get` does, and ConfigInvalid naming every problem."""
        environment, task = await self._find(name)
        model = model_of(task, request.model)
        resolved = resolve(task, request.config, model)
        return Resolution(
            recipe=_name(environment, task),
            model=model,
            config=dict(resolved.config),
            changes=dict(resolved.changes),
            yaml=as_yaml(resolved.config),
            command=train_command(environment.trainer, task.name, model, resolved.changes),
            warnings=tuple(resolved.idle.values()),
        )

    async def trainers(self) -> tuple[TrainerView, ...]:
        """Every known one; `problem` says of one that is not installed, or not allowed, why it can't be used."""
        return tuple(map(self._told, await self._catalog.list()))

    def _told(self, view: TrainerView) -> TrainerView:
        if view.licence is None or not is_denied(view.licence, self._licence_deny):
            return view
        return view.model_copy(update={"problem": refused_by_licence(view.name, view.licence)})

    async def _find(self, name: str) -> tuple[Environment, TaskInfo]:
        trainer, _, task_name = name.partition("/")
        environment = await self._catalog.environment(trainer)
        check_licence(environment.manifest, self._licence_deny)
        task = environment.manifest.task(task_name)
        if task is None:
            known = [f"{trainer}/{word}" for task in environment.manifest.tasks for word in (task.name, *task.aliases)]
            raise NotFound(f"there is no recipe {name!r}.{nearest(name, known)}")
        return environment, task


def _name(environment: Environment, task: TaskInfo) -> str:
    return f"{environment.trainer}/{task.name}"


def _recipe(environment: Environment, task: TaskInfo) -> RecipeView:
    return RecipeView(
        name=_name(environment, task),
        trainer=environment.trainer,
        task=task.name,
        aliases=task.aliases,
        models=tuple(model.name for model in task.models),
        default_model=task.default_model,
        config=task.recipe,
        config_schema=task.config_schema,
    )
