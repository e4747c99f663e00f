"""A bucket holds whatever its owner named. Nothing of a list is written unless all its names are sound."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright_kit.remote import fetch as fetching
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.fetch import FetchFailed, fetch
from eyebright_kit.remote.source import Body, Listed


class Bucket:
    """A store that lists any keys at all, which real ones and their clients do not let through."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def list(self, prefix: Address) -> Iterator[Listed]:
        yield from (Listed(prefix.key + key, 1, "t") for key in self.keys)

    @contextmanager
    def read(self, address: Address, start: int, tag: str | None) -> Iterator[Body]:
        yield Body(start, 1, "t", iter((b"x",)))

    def close(self) -> None:
        """Nothing to close."""


def bring(monkeypatch: pytest.MonkeyPatch, into: Path, *keys: str) -> Path:
    monkeypatch.setattr(fetching, "source_for", lambda *_: Bucket(*keys))
    return fetch("s3://bucket/set/", into)


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "key",
    [
        "../x",
        "/abs",
        "//abs",
        "a/../../b",
        "a/./b",
        "a//b",
        "",
        "folder/",
        "a\\b",
        "..\\x",
        "C:/x",
        "nul\0name",
        "new\nline",
        "\x1b[31mred",
        "\u202egpj.exe",
        "\udc80",
        "con",
        "a/NUL.txt",
        "com1.jpg",
        "x" * 256,
        "d/" * 40 + "x",
        "/".join(["y" * 200] * 6),
    ],
)
def test_a_name_that_cannot_be_a_path_refuses_the_whole_prefix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str
):
    with pytest.raises(FetchFailed) as caught:
        bring(monkeypatch, tmp_path / "in", "good.txt", key)
    assert caught.value.code == "unsafe_name"
    assert "\x1b" not in caught.value.message
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "pair", [("a.txt", "A.txt"), ("dir/a", "DIR/b"), ("é", "e\u0301"), ("a", "a/b"), ("x", "x."), ("ß", "SS")]
)
def test_two_names_that_are_one_somewhere_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pair: tuple[str, str]
):
    with pytest.raises(FetchFailed) as caught:
        bring(monkeypatch, tmp_path / "in", *pair)
    assert caught.value.code == "unsafe_name"
    assert files(tmp_path) == []


@given(key=st.text(alphabet=st.sampled_from("ab./\\:\0 ~C-*"), max_size=12))
def test_whatever_a_name_is_it_stays_in_its_folder_or_is_refused(tmp_path_factory: pytest.TempPathFactory, key: str):
    place = tmp_path_factory.mktemp("names")
    with pytest.MonkeyPatch.context() as patch:
        try:
            root = bring(patch, place / "in", key)
        except FetchFailed as failure:
            assert failure.code in ("unsafe_name", "not_found")  # noqa: PT017
            assert files(place) == []
        else:
            assert files(place) == [root / key]
