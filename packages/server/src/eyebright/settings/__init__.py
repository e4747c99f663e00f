"""Every knob of the product, and the only reader of the environment.

`Settings()` works with nothing set. Each field is the variable `EYEBRIGHT_<FIELD>`, a field of a section
`EYEBRIGHT_<SECTION>__<FIELD>` (`EYEBRIGHT_JOBS__LEASE_SECONDS=60`); lists are separated by commas. Some have a second name,
that of a system which Eyebright takes the place of (`ALIASES`): it counts where the first is not set, and those that any
program may use only where a database of that system's callers is set.
"""

from eyebright.settings.environment import Adopted, adopt, foresee, ignored_level, process_environment
from eyebright.settings.names import ALIASES, alias_of
from eyebright.settings.refusals import require_server
from eyebright.settings.sections import (
    AmqpSettings,
    EgressSettings,
    LogSettings,
    McpSettings,
    OidcSettings,
    PostgresSettings,
    SourceSettings,
    TrainingAgentSettings,
    TrainingServerSettings,
    UploadSettings,
    WebhookSettings,
)
from eyebright.settings.tree import Settings, unknown_variables, variables
from eyebright.settings.values import LEVELS

__all__ = [
    "ALIASES",
    "LEVELS",
    "Adopted",
    "AmqpSettings",
    "EgressSettings",
    "LogSettings",
    "McpSettings",
    "OidcSettings",
    "PostgresSettings",
    "Settings",
    "SourceSettings",
    "TrainingAgentSettings",
    "TrainingServerSettings",
    "UploadSettings",
    "WebhookSettings",
    "adopt",
    "alias_of",
    "foresee",
    "ignored_level",
    "process_environment",
    "require_server",
    "unknown_variables",
    "variables",
]
