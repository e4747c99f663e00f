"""What Project Training's callers call a setting, and how our trainers say the same.

They know the settings by Ultralytics' names, `model` among them, and by those of their own screens. Whatever is not named here
goes on as it is, to be refused by the recipe with the nearest name if it means nothing there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eyebright.errors import ConfigInvalid

_WEIGHTS, _DESIGN = ".pt", ".yaml"


@dataclass(slots=True)
class Wanted:
    """A caller's configuration in our words. `warnings` are of what was given and changes nothing."""

    settings: dict[str, Any]
    model: str | None = None
    resume: bool = False
    warnings: list[str] = field(default_factory=list[str])


def wanted(config: Mapping[str, Any], recipe: Mapping[str, Any]) -> Wanted:
    """What a configuration means for a recipe; one that leaves a setting null, or a device empty, leaves it as it is.

    Raises ConfigInvalid for a word of theirs whose value is none.
    """
    given = {key: value for key, value in config.items() if value is not None and (key, value) != ("device", "")}
    meant = Wanted({key: value for key, value in given.items() if key not in _WORDS})
    for key, understand in _WORDS.items():
        if key in given:
            understand(meant, given[key], recipe)
    return meant


def _model(meant: Wanted, value: Any, _recipe: Mapping[str, Any]) -> None:
    """`yolo11n.pt` are the published weights of that name, `yolo11n.yaml` its design without any."""
    if not isinstance(value, str):
        raise _unfit("model", value, "the name of a model")
    meant.model = value.removesuffix(_DESIGN).removesuffix(_WEIGHTS)
    if value.endswith(_WEIGHTS):
        meant.settings.setdefault("pretrained", True)


def _amp(meant: Wanted, value: Any, _recipe: Mapping[str, Any]) -> None:
    meant.settings["amp"] = ("auto" if value else "off") if isinstance(value, bool) else value


def _early_stop(meant: Wanted, value: Any, _recipe: Mapping[str, Any]) -> None:
    """Off is no patience at all; a number is how much of it; on is whatever patience there is."""
    if value is False:
        meant.settings["patience"] = 0
    elif value is not True:
        meant.settings["patience"] = value


def _save_best(meant: Wanted, value: Any, _recipe: Mapping[str, Any]) -> None:
    if not _yes("save_best", value):
        meant.warnings.append("save_best=false has no effect: the best weights are always kept")


def _save_period(meant: Wanted, value: Any, recipe: Mapping[str, Any]) -> None:
    """-1 leaves it to the framework."""
    if value == -1:
        return
    if "save_every_epochs" in recipe:
        meant.settings["save_every_epochs"] = value
    else:
        meant.warnings.append(f"save_period={value} has no effect: a checkpoint is kept after every epoch")


def _resume(meant: Wanted, value: Any, _recipe: Mapping[str, Any]) -> None:
    meant.resume = _yes("resume", value)


_WORDS: Mapping[str, Callable[[Wanted, Any, Mapping[str, Any]], None]] = {
    "model": _model,
    "amp": _amp,
    "early_stop": _early_stop,
    "save_best": _save_best,
    "save_period": _save_period,
    "resume": _resume,
}


def _yes(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _unfit(key, value, "true or false")
    return value


def _unfit(key: str, value: Any, expected: str) -> ConfigInvalid:
    message = f"{key}={value!r}: expected {expected}"
    return ConfigInvalid(message, errors=[{"field": key, "message": message}])
