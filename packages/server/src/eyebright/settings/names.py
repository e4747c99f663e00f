"""What settings are called: variables, and the names that other systems gave them."""

from collections.abc import Collection
from difflib import get_close_matches

from pydantic import BaseModel

PREFIX = "EYEBRIGHT_"
#: Names that callers' deployments set already, and the settings that they are.
ALIASES: dict[str, tuple[str, ...]] = {
    "SUPABASE_URL": ("training_agent", "supabase_url"),
    "SUPABASE_KEY": ("training_agent", "supabase_key"),
    "GCP_BUCKET_NAME": ("training_agent", "bucket"),
    "BATCH_SIZE": ("training_agent", "batch"),
    "DEFAULT_EPOCHS": ("training_agent", "epochs"),
    "DEFAULT_LEARNING_RATE": ("training_agent", "learning_rate"),
    "LOG_LEVEL": ("log", "level"),
    "TRAINER_SERVICE_URL": ("services", "urls"),
    "TRAINING_MODE": ("executors",),
    "BACKEND_BASE_URL": ("public_url",),
    "DATABASE_URL": ("database_url",),
    "S3_ENDPOINT": ("storage", "endpoint"),
    "BUCKET_NAME": ("storage", "place"),
}
#: Other programs' names too: they count only beside a database of callers.
GENERIC = frozenset({"GCP_BUCKET_NAME", "BATCH_SIZE", "DEFAULT_EPOCHS", "DEFAULT_LEARNING_RATE"})
#: The same of a Vision AI Training Platform, whose own name says where its training service is.
PLATFORM = "TRAINER_SERVICE_URL"
PLATFORMS = frozenset({"TRAINING_MODE", "BACKEND_BASE_URL", "DATABASE_URL", "S3_ENDPOINT", "BUCKET_NAME"})
#: What says where that database is.
CALLERS_DATABASE = frozenset({"database_url", "supabase_url"})
#: Names that libraries of ours read by themselves.
_OTHERS = frozenset({"GOOGLE_APPLICATION_CREDENTIALS"})
#: What no server reads, but who calls one; and how it is with servers.
CLIENTS = {
    "EYEBRIGHT_URL": "EYEBRIGHT_HOST and EYEBRIGHT_PORT say where a server listens",
    "EYEBRIGHT_TOKEN": "a server makes its own, and keeps it in its data folder",
    "EYEBRIGHT_STATE_DIR": "a server keeps everything in EYEBRIGHT_DATA_DIR",
}
#: How alike a name must be to be taken for a mistyped one: DATABASE_URL is three quarters SUPABASE_URL, and another thing.
_ALIKE = 0.8


def variables_of(tree: type[BaseModel]) -> dict[str, str]:
    """Every variable that is read for it, with what it means."""
    found: dict[str, str] = {}
    for name, field in tree.model_fields.items():
        if isinstance(field.default, BaseModel):
            section = type(field.default)
            names = {variable_at((name, key)): value for key, value in section.model_fields.items()}
            found.update((variable, value.description or "") for variable, value in names.items())
        else:
            found[variable_at((name,))] = field.description or ""
    return found


def alias_of(variable: str) -> str:
    """The other name of it; "" where it has none."""
    return next((name for name, location in ALIASES.items() if variable_at(location) == variable), "")


def variable_at(location: tuple[int | str, ...]) -> str:
    """`("jobs", "lease_seconds")` → `EYEBRIGHT_JOBS__LEASE_SECONDS`; positions in a list don't count."""
    return PREFIX + "__".join(str(part).upper() for part in location if isinstance(part, str))


def is_ours(name: str, beside: Collection[str] = ()) -> bool:
    """Whether it means something to a server where those others are set."""
    if name in PLATFORMS:
        return PLATFORM in beside
    return name.startswith(PREFIX) or name in ALIASES or name in _OTHERS


def mistyped(names: Collection[str]) -> dict[str, str]:
    """Of all names that are set, those that are nearly another system's name that counts here and is not set itself.

    Names that other programs use too are looked for beside a database of callers only, where they count.
    """
    serves = any(name in names for name in ("SUPABASE_URL", *map(_of_callers, CALLERS_DATABASE)))
    platforms = PLATFORMS if PLATFORM in names else frozenset[str]()
    agents = [name for name in (*ALIASES, *sorted(_OTHERS)) if name not in PLATFORMS]
    sought = [*(name for name in agents if serves or name.startswith(("SUPABASE_", PLATFORM))), *sorted(platforms)]
    near = {name: get_close_matches(name, sought, 1, _ALIKE) for name in sorted(names) if not is_ours(name, names)}
    return {name: alike[0] for name, alike in near.items() if alike and alike[0] not in names}


def _of_callers(field: str) -> str:
    return variable_at(("training_agent", field))
