"""What a trainer found when it tried itself out (`python -m <module> check`)."""

from pydantic import ValidationError

from eyebright.catalog.verb import last_line
from eyebright.errors import TrainerUnavailable
from eyebright_wire.answers import CheckReport


def read_check(name: str, stdout: bytes, stderr: bytes) -> CheckReport:
    """The last line of its output: a framework may print before it. Raises TrainerUnavailable if that is no report."""
    try:
        return CheckReport.model_validate_json(last_line(stdout))
    except ValidationError:
        said = last_line(stderr) or last_line(stdout) or "nothing"
        raise TrainerUnavailable(
            f"trainer {name!r} could not try itself out, it said: {said}. Run `eyebright trainers install {name}` again"
        ) from None
