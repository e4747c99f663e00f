"""Whose things are meant is said, never guessed."""

import asyncio
from contextvars import Context

import pytest

from eyebright.core.scope import DEFAULT_PROJECT, EVERYTHING, Scope, current, current_project, project_id, within
from eyebright.errors import InvalidRequest, NoScope

#: That of all tests.
OUTSIDE = current()


def test_without_a_scope_nothing_is_meant():
    for asked in (current, current_project):
        with pytest.raises(NoScope):
            Context().run(asked)


def test_the_innermost_counts_and_the_outer_one_comes_back():
    with within(EVERYTHING):
        with within(Scope("birds")) as entered:
            assert current() is entered
            assert current_project() == "birds"
        assert current() is EVERYTHING
    assert current() is OUTSIDE


def test_it_ends_with_an_exception_too():
    with pytest.raises(KeyError), within(EVERYTHING):
        raise KeyError
    assert current() is OUTSIDE


def test_everything_is_no_project_to_make_something_in():
    with within(EVERYTHING), pytest.raises(NoScope, match="one project"):
        current_project()


def test_a_project_covers_itself_and_everything_covers_all():
    assert Scope("birds").covers("birds")
    assert not Scope("birds").covers(DEFAULT_PROJECT)
    assert EVERYTHING.covers("birds")


async def test_tasks_at_once_do_not_see_each_others():
    async def means(project: str) -> str:
        with within(Scope(project)):
            await asyncio.sleep(0)
            return current_project()

    assert await asyncio.gather(means("birds"), means("cats")) == ["birds", "cats"]


async def test_a_task_keeps_that_of_its_maker():
    async def found() -> Scope:
        await asyncio.sleep(0)
        return current()

    with within(Scope("birds")):
        task = asyncio.create_task(found())
    assert await task == Scope("birds")


@pytest.mark.parametrize("name", ["a", "0", "default", "birds-2", "x" * 63])
def test_what_a_project_may_be_called(name):
    assert project_id(name) == name


@pytest.mark.parametrize("name", ["", "Birds", "a_b", "-a", "a-", "a.b", "a/b", "ä", "a\n", "x" * 64])
def test_what_it_may_not_be_called(name):
    with pytest.raises(InvalidRequest, match="no name for a project"):
        project_id(name)
    with pytest.raises(InvalidRequest):
        Scope(name)
