"""The operator's token from a file, which servers of one database share."""

from pathlib import Path

import pytest

from eyebright.app.serving import given_token
from eyebright.core.agent_token import AgentToken, Persona
from eyebright.errors import InvalidRequest
from eyebright.folder import DataFolder
from eyebright.settings import Settings
from eyebright.testing import ManualClock

GOOD = "Vt0Kq3rQ2mYp8sUx1nZc5bHe7wLd9fGa4jTi6oRk"
AGENTS = AgentToken("0123456789abcdef", Persona.READER, 1).signed(GOOD)


def settings(folder: Path, content: bytes) -> Settings:
    file = folder / "given"
    file.write_bytes(content)
    return Settings(token_file=file)


def test_the_token_of_the_file_is_the_servers(tmp_path: Path) -> None:
    given = given_token(settings(tmp_path, f"{GOOD}\n".encode()))
    with DataFolder(tmp_path / "data") as folder:
        own = folder.token(ManualClock())
        assert folder.token(ManualClock(), given) == GOOD != own
        assert folder.token(ManualClock()) == GOOD, "the commands of this machine read it there"
        assert (tmp_path / "data" / "token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"short",
        GOOD[:31].encode(),
        f"{GOOD} {GOOD}\x00".encode(),
        b"\xff" * 40,
        AGENTS.encode(),
        f"ebt_1_{GOOD}".encode(),
    ],
)
def test_what_is_no_token_of_an_operator_is_refused_and_not_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidRequest, match="holds no operator's token: expected 32 random characters") as refused:
        given_token(settings(tmp_path, content))
    assert not content.strip() or content.decode(errors="replace") not in refused.value.message


def test_without_a_file_the_server_makes_its_own() -> None:
    assert given_token(Settings()) is None
