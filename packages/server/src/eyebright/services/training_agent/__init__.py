"""Projects of a Training Agent's callers: trained when they ask for it, and told of in the database that they keep."""

from dataclasses import dataclass

from eyebright.services.training_agent.allowance import Allowance
from eyebright.services.training_agent.checks import Checks
from eyebright.services.training_agent.ledger import Ledger
from eyebright.services.training_agent.standing import Standings
from eyebright.services.training_agent.starting import Starting


@dataclass(frozen=True, slots=True)
class TrainingAgent:
    allowance: Allowance
    starting: Starting
    standings: Standings
    ledger: Ledger
    checks: Checks
