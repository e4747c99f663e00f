"""Files that describe images are read strictly: what is wrong is named with its line, and data never becomes code."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from eyebright_kit.data import documents
from eyebright_kit.data.documents import Unreadable, read_json, read_lines, read_text, read_xml, read_yaml


class Point(Struct):
    x: int


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def complaint(call: object, folder: Path, content: str | bytes, *args: object) -> tuple[str, int | None]:
    path = written(folder, content)
    with pytest.raises(Unreadable) as caught:
        call(path, folder, *args)  # type: ignore[operator]
    assert caught.value.path == path
    return caught.value.detail, caught.value.line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("lr: 1e-4", {"lr": 0.0001}),
        ("a: no\nb: on\nc: 1:30\nd: 0o7", {"a": "no", "b": "on", "c": "1:30", "d": "0o7"}),
        ("- true\n- null\n- ~\n- -3\n- .5", [True, None, None, -3, 0.5]),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("", None),
    ],
)
def test_yaml_has_the_plain_values_of_its_newer_version(tmp_path: Path, text: str, value: object) -> None:
    assert read_yaml(written(tmp_path, text), tmp_path) == value


@pytest.mark.parametrize(
    ("text", "detail", "line"),
    [
        ("a: 1\nb: 2\na: 3", "it is no plain YAML: the key 'a' comes twice", 3),
        ("x: 1\n? [a]\n: b", "it is no plain YAML: a key is a list or a map", 2),
        ("a: {{", "it is no plain YAML: expected the node content, but found '<stream end>'", 1),
        ("a: 1e400", "it is no plain YAML: 1e400 is too large for a number", None),
        ("[" * 100, "it is no plain YAML: it is nested too deep", None),
        ("a: &a [1]\nb: [" + "*a, " * 200 + "]", "it is no plain YAML: it has too many aliases", None),
    ],
)
def test_what_is_no_plain_yaml_is_named(tmp_path: Path, text: str, detail: str, line: int | None) -> None:
    assert complaint(read_yaml, tmp_path, text) == (detail, line)


@pytest.mark.parametrize(
    "text",
    ["!!bool foo", "!!timestamp foo", "!!timestamp 2024-01-01", "!!map [a]", "!!set [a]", "!!map foo", "!!binary YQ=="],
)
def test_a_tag_makes_no_other_value_of_a_text(tmp_path: Path, text: str) -> None:
    assert complaint(read_yaml, tmp_path, f"a: {text}")[0].startswith("it is no plain YAML: ")


def test_a_tag_in_yaml_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    detail, _ = complaint(read_yaml, tmp_path, f"!!python/object/apply:os.system ['touch {canary}']")
    assert "tag" in detail
    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "detail", "line"),
    [
        (b'{"x": 1,\n,}', "it is no JSON: JSON is malformed: object keys must be strings (byte 9)", 2),
        (b'{"x": "a"}', "Expected `int`, got `str` - at `$.x`", None),
        (b'{"x": 1, "y": NaN}', "it is no JSON: JSON is malformed: invalid character (byte 14)", 1),
        (b'{"y": ' + b"[" * 100_000, "it is nested too deep", None),
        (b"", "it is no JSON: Input data was truncated", None),
    ],
)
def test_what_is_no_such_json_is_named(tmp_path: Path, content: bytes, detail: str, line: int | None) -> None:
    assert complaint(read_json, tmp_path, content, Point) == (detail, line)


@pytest.mark.parametrize(
    ("text", "detail", "line"),
    [
        ("<a>\n<b></a>", "it is no XML: mismatched tag: line 2, column 5", 2),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "it declares entities or a document type (DTDForbidden)", None),
        ('<?xml version="1.0" encoding="foo"?><a/>', "it is no XML: unknown encoding: foo", None),
    ],
)
def test_what_is_no_xml_is_named(tmp_path: Path, text: str, detail: str, line: int | None) -> None:
    assert complaint(read_xml, tmp_path, text)[0].startswith(detail)
    assert complaint(read_xml, tmp_path, text)[1] == line


def test_an_entity_reads_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    text = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]><a>&x;</a>'
    assert "document type" in complaint(read_xml, tmp_path, text)[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "utf-8-sig"])
@pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="{}"?>'])
def test_no_encoding_hides_an_entity(tmp_path: Path, encoding: str, declared: str) -> None:
    entities = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10 if n else "ha"}">' for n in range(9))
    text = f"{declared.format(encoding.removesuffix('-sig'))}<!DOCTYPE a [{entities}]><a>&x8;</a>"
    assert complaint(read_xml, tmp_path, text.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_xml_is_read_in_the_encoding_that_it_declares(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><a b="Köter">ü</a>'
    root = read_xml(written(tmp_path, text.encode(encoding)), tmp_path)
    assert (root.get("b"), root.text) == ("Köter", "ü")


def test_text_comes_with_any_end_of_line_and_a_mark_at_its_beginning(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbfa\r\n\r\n b \rc\n")
    assert list(read_lines(path, tmp_path)) == [(1, "a"), (3, "b"), (4, "c")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_mark_at_the_beginning_says_how_text_is_written(tmp_path: Path, encoding: str) -> None:
    json = written(tmp_path, '\ufeff{"x": 1}'.encode(encoding))
    assert read_json(json, tmp_path, Point) == Point(x=1)
    assert read_yaml(json, tmp_path) == {"x": 1}
    assert list(read_lines(written(tmp_path, "\ufeffü\r\n\n😀".encode(encoding)), tmp_path)) == [(1, "ü"), (3, "😀")]
    assert complaint(read_json, tmp_path, '\ufeff{"x":\n,}'.encode(encoding), Point)[1] == 2


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"\xff\xfea", "it is no UTF-16 text, as it begins (truncated data)"),
        (b"\xff\xfe\x00\xd8a\x00", "it is no UTF-16 text, as it begins (illegal UTF-16 surrogate)"),
        (b"\x00\x00\xfe\xff\xff\xff\xff\xff", "it is no UTF-32 text, as it begins (code point not in range(0x110000))"),
    ],
)
def test_text_that_is_not_what_its_mark_says_is_named(tmp_path: Path, content: bytes, detail: str) -> None:
    assert complaint(read_json, tmp_path, content, Point) == (detail, None)
    assert complaint(read_text, tmp_path, content) == (detail, None)


def test_text_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    assert complaint(read_text, tmp_path, b"a\nb\nc\xff") == ("it is no UTF-8 text (byte 0xff)", 3)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    assert complaint(read_text, tmp_path, "x" * 11_000_001, 10_000_000) == ("it has more than 10 MB", None)


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("secret")
    (inside / "file").symlink_to(tmp_path / "secret")
    with pytest.raises(Unreadable) as caught:
        read_text(inside / "file", inside)
    assert caught.value.code == "outside_link"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file")
    with pytest.raises(Unreadable, match="pipe"):
        read_text(tmp_path / "file", tmp_path)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_unreadable(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = written(folder, content)
    complaints: list[str] = []
    for read in (read_yaml, read_xml, read_text, lambda p, r: read_json(p, r, dict)):
        try:
            read(path, folder)
        except Unreadable as error:
            complaints.append(error.detail)
    assert not any("\n" in complaint for complaint in complaints)


def test_the_limits_hold_the_largest_sets_that_people_have() -> None:
    assert documents.MAX_INDEX_BYTES > 2e9


class Heard:
    """Notes what a stream tells."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.line = lambda: 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.notes.append(f"<{tag} {attributes}>")

    def end(self, tag: str) -> None:
        self.notes.append(f"</{tag}>")

    def data(self, text: str) -> None:
        self.notes.append(text)


def streamed(path: Path, root: Path) -> list[str]:
    heard = Heard()
    for _ in documents.stream_xml(path, root, heard):
        pass
    return heard.notes


def test_a_stream_of_xml_tells_what_stands_there_a_piece_at_each_step(tmp_path: Path) -> None:
    path = written(tmp_path, b"<a>" + b'<b c="1">\xc3\xbc</b>' * 10_000 + b"</a>")
    assert streamed(path, tmp_path)[:4] == ["<a {}>", "<b {'c': '1'}>", "ü", "</b>"]
    assert len(streamed(path, tmp_path)) == 30_002
    heard = Heard()
    next(documents.stream_xml(path, tmp_path, heard))
    assert 0 < len(heard.notes) < 30_002


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (b"<a><b></a>", "it is no XML: mismatched tag"),
        (b"", "it is no XML: no element found"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "it declares entities or a document type"),
        (b"<a>&b;</a>", "it is no XML: undefined entity"),
        (b'<?xml version="1.0" encoding="foo"?><a/>', "it is no XML: unknown encoding"),
    ],
)
def test_a_stream_of_what_is_no_sound_xml_is_named(tmp_path: Path, text: bytes, detail: str) -> None:
    assert complaint(streamed, tmp_path, text)[0].startswith(detail)
