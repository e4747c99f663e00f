"""The options that say what to make of a data set while it becomes a version."""

import json
import re
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import ValidationError

from eyebright.core.resolve import nearest
from eyebright.errors import InvalidRequest, NotFound
from eyebright_wire.datasets import DatasetPlan, Fix, Split, SplitPlan

Rename = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OLD=NEW",
        help=r"Rename a class; two that get the same name become one. An = in OLD is written \=. May be repeated.",
    ),
]
Drop = Annotated[
    list[str] | None, typer.Option(metavar="CLASS", help="Leave out a class with its objects. May be repeated.")
]
Shares = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="SHARES",
        help="Draw the splits anew: 80/20 or 70/20/10 (train/val/test), or train=0.8,val=0.2.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Which draw of the splits. Default: 0, or what the plan says.")]
Include = Annotated[
    list[str] | None, typer.Option(metavar="PATTERN", help="Only images whose name fits. May be repeated.")
]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar="PATTERN", help="No image whose name fits. May be repeated.")
]
Fixes = Annotated[
    list[str] | None,
    typer.Option("--fix", metavar="CODE", help=f"Mend a finding: {', '.join(Fix)}, or all. May be repeated."),
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="The same and more as JSON or YAML; options come on top.")
]

#: What the parameter of a command holds that `with_plan` fills.
NO_PLAN = DatasetPlan()


def with_plan(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that takes a parameter `wishes: DatasetPlan` is given the options of a plan in its place."""
    own = signature(command, eval_str=True)
    options = signature(_options, eval_str=True).parameters
    at = list(own.parameters).index("wishes")
    parameters = list(own.parameters.values())
    parameters[at : at + 1] = options.values()

    @wraps(command)
    def run(**given: Any) -> Any:
        return command(wishes=_options(**{name: given.pop(name) for name in options}), **given)

    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _options(
    plan: PlanFile = None,
    rename: Rename = None,
    drop: Drop = None,
    split: Shares = None,
    seed: Seed = None,
    include: Include = None,
    exclude: Exclude = None,
    fix: Fixes = None,
) -> DatasetPlan:
    return planned(
        file=plan, rename=rename, drop=drop, shares=split, seed=seed, include=include, exclude=exclude, fixes=fix
    )


def planned(
    *,
    file: Path | None = None,
    rename: list[str] | None = None,
    drop: list[str] | None = None,
    shares: str | None = None,
    seed: int | None = None,
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    fixes: list[str] | None = None,
) -> DatasetPlan:
    """Raises InvalidRequest for a wish that has no meaning, NotFound for a file that is not there."""
    wishes: dict[str, Any] = _plan(_of_file(file)).model_dump(exclude_unset=True) if file else {}
    wishes["rename"] = {**wishes.get("rename", {}), **_renamed(map(_pair, rename or ()))}
    for name, values in (("drop", drop), ("include", include), ("exclude", exclude), ("fix", _fixes(fixes or []))):
        wishes[name] = (*wishes.get(name, ()), *(values or ()))
    wishes["splits"] = _splits(wishes.get("splits"), shares, seed)
    return _plan(wishes)


def _plan(wishes: dict[str, Any]) -> DatasetPlan:
    try:
        return DatasetPlan.model_validate(wishes)
    except ValidationError as error:
        raise InvalidRequest("; ".join(_sentence(problem) for problem in error.errors(include_url=False))) from None


def _splits(planned: dict[str, Any] | None, shares: str | None, seed: int | None) -> dict[str, Any] | None:
    wanted = {"shares": _shares(shares)} if shares else planned
    if seed is None:
        return wanted
    if not (wanted and wanted.get("shares")):
        raise InvalidRequest("--seed says which draw, and no splits are drawn; add --split, such as --split 80/20")
    return {**wanted, "seed": seed}


def _of_file(file: Path) -> dict[str, Any]:
    try:
        found: Any = yaml.safe_load(file.read_text())  # JSON is YAML too
    except FileNotFoundError:
        raise NotFound(f"no file {file}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidRequest(f"{file} cannot be read as JSON or YAML: {error}") from None
    if not isinstance(found, dict):
        raise InvalidRequest(
            f'{file} holds {json.dumps(found, default=str)[:60]}; expected a map such as {{"drop": ["cat"]}}'
        )
    return dict(found)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _renamed(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for old, new in pairs:
        if renamed.setdefault(old, new) != new:
            raise InvalidRequest(f"--rename gives {old} two names, {renamed[old]} and {new}; choose one")
    return renamed


def _pair(text: str) -> tuple[str, str]:
    """`OLD=NEW`; an equals sign in OLD is written `\\=`."""
    old, *new = re.split(r"(?<!\\)=", text, maxsplit=1)
    if not (old and any(new)):
        raise InvalidRequest(
            f"--rename {text} has no meaning; expected OLD=NEW, such as --rename cats=pets (an = in OLD is written \\=)"
        )
    return old.replace("\\=", "="), new[0]


def _shares(text: str) -> dict[str, float]:
    """`80/20`, `0.8/0.1/0.1` or `train=0.8,val=0.2`, as parts of one."""
    try:
        if "=" in text:
            parts = {name.strip(): float(share) for name, share in (part.split("=") for part in text.split(","))}
        else:
            parts = dict(zip((split.value for split in Split), map(float, text.split("/")), strict=False))
            if len(text.split("/")) > len(parts):
                raise ValueError
    except ValueError:
        raise InvalidRequest(f"--split {text} has no meaning; expected 80/20, 70/20/10 or train=0.8,val=0.2") from None
    total = sum(parts.values())
    return {name: share / 100 for name, share in parts.items()} if abs(total - 100) < 1e-6 else parts


def _fixes(codes: list[str]) -> list[str]:
    known = [fix.value for fix in Fix]
    for code in codes:
        if code not in (*known, "all"):
            raise InvalidRequest(f"unknown fix {code!r}.{nearest(code, [*known, 'all'])}")
    return known if "all" in codes else codes


def _sentence(problem: Any) -> str:
    *above, last = problem["loc"] or ("",)
    if problem["type"] == "extra_forbidden":
        known = list(SplitPlan.model_fields if above else DatasetPlan.model_fields)
        return f"a plan knows no {last!r}{f' in {above[-1]}' if above else ''}.{nearest(str(last), known)}"
    where = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
