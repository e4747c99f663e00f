"""Which servers can work on one database together."""

import re
from dataclasses import replace
from typing import Any

import pytest
from databases import SQL

from eyebright.errors import Conflict
from eyebright.ports.clock import SystemClock
from eyebright.ports.replicas import Replica
from eyebright.services.company import Company
from eyebright.services.places import lease_of

ME = Replica(
    id="rep_1",
    url="http://127.0.0.1:1",
    version="0.1",
    storage="s3://bucket/mine",
    token_sha256="ab" * 32,
    started_at_ms=1,
)
OTHER = replace(ME, id="rep_2", url="http://127.0.0.1:2")

pytestmark = pytest.mark.parametrize("kind", SQL)


class Clock(SystemClock):
    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


def company(database: Any, me: Replica, ahead_ms: int = 0) -> Company:
    clock = Clock()
    clock.ahead_ms = ahead_ms
    return Company(database.replicas, database.leases, clock, me)


async def living(database: Any, other: Replica) -> None:
    await database.replicas.enter(other)
    await database.leases.take(lease_of(other.id), other.id, SystemClock().now_ms(), 60_000)


async def test_servers_with_the_same_bucket_and_token_fit(database: Any) -> None:
    await living(database, OTHER)
    await company(database, ME).join()
    assert list(await database.replicas.list()) == [ME, OTHER]
    await company(database, replace(ME, url="http://127.0.0.1:3")).join()
    assert [each.url for each in await database.replicas.list()] == ["http://127.0.0.1:3", OTHER.url]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"storage": "s3://bucket/others"}, "all need the same EYEBRIGHT_STORAGE__PLACE"),
        ({"token_sha256": "cd" * 32}, r"another operator's token; .* \(EYEBRIGHT_TOKEN_FILE\)"),
    ],
)
async def test_one_that_does_not_fit_is_refused(database: Any, change: dict[str, str], why: str) -> None:
    await database.replicas.enter(replace(OTHER, **change))
    await company(database, ME).join()  # it is dead
    await living(database, replace(OTHER, **change))
    with pytest.raises(Conflict, match=why):
        await company(database, ME).join()


@pytest.mark.parametrize(("seconds", "way"), [(60, r"\d\d s ahead of"), (-60, r"\d\d s behind")])
async def test_a_wrong_clock_is_refused_among_others(database: Any, seconds: int, way: str) -> None:
    wrong = company(database, ME, 1000 * seconds)
    assert re.search(way, await wrong.wrong_clock() or "")
    assert await company(database, ME).wrong_clock() is None
    await wrong.join()  # alone
    await living(database, OTHER)
    await database.leases.take(lease_of(OTHER.id), OTHER.id, SystemClock().now_ms() + 60_000, 60_000)
    with pytest.raises(Conflict, match=f"the clock of this machine is {way}"):
        await wrong.join()
