import pytest
from databases import SQL

from eyebright.errors import Conflict
from eyebright.stores.sql import ownership
from eyebright.stores.sql.database import Database

pytestmark = pytest.mark.parametrize("kind", SQL)


@pytest.fixture
async def two(kind, fresh_url, monkeypatch):
    """Two servers that were given the same database."""
    monkeypatch.setattr(ownership, "PATIENCE_SECONDS", 0.4)
    url = fresh_url(kind)
    first, second = await Database.open(url), await Database.open(url)
    yield first, second
    await first.close()
    await second.close()


async def test_a_second_control_plane_is_refused(two):
    first, second = two
    async with first.owned():
        with pytest.raises(Conflict, match="another Eyebright server uses the database"):
            async with second.owned():
                pass


async def test_the_next_one_may_have_it(two):
    first, second = two
    async with first.owned():
        pass
    async with second.owned():
        pass


async def test_owning_it_hinders_nobody_who_reads_or_writes(two):
    first, second = two
    async with first.owned():
        await first.markers.write("here", 1)
        assert await second.markers.read("here") == 1
