"""Finding plug-ins."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from eyebright import plugins
from eyebright.errors import NotFound, Unavailable

GROUP = "eyebright.executors"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """What is installed, for as long as a test lasts."""
    entries: list[EntryPoint] = []
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry for entry in entries if entry.group == group])
    plugins._registered.cache_clear()
    yield entries
    plugins._registered.cache_clear()


def test_a_plug_in_is_imported_when_it_is_asked_for(registered: list[EntryPoint]) -> None:
    registered += [EntryPoint("local", "pathlib:Path", GROUP), EntryPoint("ray", "no_such_module:Ray", GROUP)]
    from pathlib import Path

    assert plugins.names(GROUP) == ("local", "ray")
    assert plugins.load(GROUP, "local") is Path


def test_an_unknown_name_is_answered_with_the_nearest(registered: list[EntryPoint]) -> None:
    registered += [EntryPoint("local", "pathlib:Path", GROUP)]
    with pytest.raises(NotFound, match=r"unknown executor 'locl'\. Did you mean 'local'\?.*'eyebright.executors'"):
        plugins.load(GROUP, "locl")


def test_a_plug_in_that_lacks_a_library_says_what_to_install(registered: list[EntryPoint]) -> None:
    registered += [EntryPoint("ray", "no_such_module:Ray", GROUP)]
    with pytest.raises(Unavailable, match=r"needs the module 'no_such_module'.*pip install '.*\[ray\]'"):
        plugins.load(GROUP, "ray")


def test_a_plug_in_without_its_object_is_told(registered: list[EntryPoint]) -> None:
    registered += [EntryPoint("local", "pathlib:NoSuchThing", GROUP)]
    with pytest.raises(Unavailable, match="cannot be imported from pathlib:NoSuchThing"):
        plugins.load(GROUP, "local")


def test_a_name_that_two_distributions_claim_is_refused(registered: list[EntryPoint]) -> None:
    registered += [EntryPoint("local", "pathlib:Path", GROUP), EntryPoint("local", "os:getcwd", GROUP)]
    with pytest.raises(Unavailable, match="both pathlib and os provide executor 'local'"):
        plugins.load(GROUP, "local")


def test_the_same_line_seen_twice_is_one_plug_in(registered: list[EntryPoint]) -> None:
    registered += [EntryPoint("local", "pathlib:Path", GROUP)] * 2
    assert plugins.names(GROUP) == ("local",)
    plugins.load(GROUP, "local")


@pytest.mark.parametrize(
    ("group", "name"),
    [("eyebright.trainers", "toy"), ("eyebright.trainers", "torchvision"), ("eyebright.executors", "local")],
)
def test_our_own_are_found_like_a_strangers(group: str, name: str) -> None:
    assert plugins.load(group, name) is not None
