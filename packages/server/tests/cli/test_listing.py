"""Files that list images by their addresses, and what a server makes of one."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness.live import LiveServer, pets

from eyebright.cli.listing import images_of, is_list
from eyebright.client import Client
from eyebright.errors import DatasetInvalid, InvalidRequest, NotFound
from eyebright_wire.resources import MOST_IMAGES, ImageSource


def test_a_list_has_an_address_or_an_object_in_each_line(tmp_path: Path) -> None:
    listed = tmp_path / "walls.txt"
    listed.write_text('\ufeff# ours\n\nhttps://h/1.jpg\n  {"url": "s3://b/2", "caption": "a wall"}  \r\n')
    assert images_of(listed) == (ImageSource(url="https://h/1.jpg"), ImageSource(url="s3://b/2", caption="a wall"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("# nothing\n", "lists no image; expected an address in each line"),
        ("https://h/1.jpg\nphotos/2.jpg\n", "walls.txt:2 is no address; expected https://"),
        ('{"address": "https://h/1.jpg"}', "walls.txt:1: url: Field required"),
        ('{"url": "https://h', "walls.txt:1: Invalid JSON"),
        ("https://h/1.jpg\n" * (MOST_IMAGES + 1), "lists more than 10,000 images"),
        (b"\xff\xfe", "cannot be read as a list"),
    ],
    ids=["empty", "path", "field", "json", "too many", "bytes"],
)
def test_what_is_no_list_is_told_with_the_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    listed = tmp_path / "walls.txt"
    listed.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidRequest, match=said):
        images_of(listed)


def test_a_list_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        images_of(tmp_path / "none.txt")


def test_a_list_is_known_by_its_ending(tmp_path: Path) -> None:
    for name in ("a.txt", "b.JSONL", "c.zip"):
        (tmp_path / name).touch()
    (tmp_path / "d.txt").mkdir()
    assert {path.name for path in tmp_path.iterdir() if is_list(path)} == {"a.txt", "b.JSONL"}


# With a server that may call this machine


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, str, list[str]]]:
    """A server, and where the pictures are that it may fetch."""
    folder = pets(tmp_path_factory.mktemp("web") / "pets", images=3)
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as web:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        port = web.server_address[1]
        rules = {
            "EYEBRIGHT_EGRESS__SCHEMES": "http",
            "EYEBRIGHT_EGRESS__PORTS": str(port),
            "EYEBRIGHT_EGRESS__ALLOW": "127.0.0.0/8",
        }
        with LiveServer(tmp_path_factory.mktemp("listing"), **rules) as live:
            yield live, f"http://127.0.0.1:{port}", paths
        web.shutdown()


def test_a_list_becomes_a_data_set(served: tuple[LiveServer, str, list[str]], tmp_path: Path) -> None:
    live, url, paths = served
    rows = [json.dumps({"url": f"{url}/{path}?sig=secret", "caption": f"a {path}"}) for path in paths]
    (tmp_path / "animals.jsonl").write_text("\n".join(rows))
    done = live.run("datasets", "import", "--list", tmp_path / "animals.jsonl", "--json")
    assert done.code == 0, done.err
    version = json.loads(done.out)
    assert (version["dataset"], version["report"]["captions"]) == ("animals", len(paths))
    again = live.run("datasets", "import", tmp_path / "animals.jsonl", "--json")
    assert json.loads(again.out)["id"] == version["id"]
    jobs = live.run("jobs", "list", "--kind", "import", "--json")
    assert "secret" not in jobs.out


def test_a_training_may_begin_with_a_list(served: tuple[LiveServer, str, list[str]], tmp_path: Path) -> None:
    live, url, paths = served
    (tmp_path / "bare.txt").write_text("".join(f"{url}/{path}\n" for path in paths))
    done = live.run("train", tmp_path / "bare.txt", "--trainer", "toy")
    assert done.code == 1
    assert "bare.txt is not ready for classification" in done.err


def test_a_program_lists_them_too(served: tuple[LiveServer, str, list[str]]) -> None:
    live, url, paths = served
    with Client(settings=live.settings) as client:
        version = client.import_images([f"{url}/{path}" for path in paths], "bare")
        assert sum(version.report.images.values()) == len(paths)
        listed = [ImageSource(url=f"{url}/{path}", caption="a pet") for path in (paths[0], "none.png")]
        with pytest.raises(
            DatasetInvalid, match=r"1 of 2 images could not be fetched.*nothing at .*/none.png"
        ) as caught:
            client.import_images(listed, "lacking")
        assert caught.value.errors[0]["field"] == "images.1"
        lacking = client.import_images(listed, "lacking", leave_out_broken=True)
        assert [change["source"] for change in client.changes(lacking.id)] == [f"{url}/none.png"]


def test_one_source_is_named(served: tuple[LiveServer, str, list[str]], tmp_path: Path) -> None:
    for words in ((), (tmp_path, "--list", tmp_path / "a.txt")):
        done = served[0].run("datasets", "import", *words)
        assert done.code == 2
        assert "name one source" in done.err
