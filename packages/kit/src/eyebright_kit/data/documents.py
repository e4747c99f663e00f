"""Read the files that describe images without trusting them: JSON, YAML, XML and lines of text.

Each reader caps the size before it reads, opens nothing but a plain file below the root, and turns whatever a parser has against
the content into one `Unreadable` that names the line. YAML and XML are read by their strict loaders: data never becomes code.
"""

import math
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from xml.etree import ElementTree as Plain
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree as Xml
import msgspec
import yaml
from defusedxml.common import DefusedXmlException

from eyebright_kit.data.tree import NotOpened, first_bytes, opened, printable

T = TypeVar("T")

#: An index of a million boxes has 200 MB; with outlines ten times that.
MAX_INDEX_BYTES = 4 * 1024**3
#: The annotations of one image. 100,000 objects of a hundred bytes each.
MAX_FILE_BYTES = 16 * 1024**2
_MAX_YAML_BYTES = 4 * 1024**2
_DEEPEST_YAML = 32
_CHUNK_BYTES = 64 * 1024
_MAX_ALIASES = 100
#: The marks at the beginning of a text that is not in UTF-8. The longer first: one of them begins as a shorter one does.
_MARKS = ((BOM_UTF32_LE, "utf-32"), (BOM_UTF32_BE, "utf-32"), (BOM_UTF16_LE, "utf-16"), (BOM_UTF16_BE, "utf-16"))
_ANY_MARK = tuple(mark for mark, _ in _MARKS)


class Unreadable(Exception):
    """A file that describes images cannot be understood: what was found there, and in which line where that is known."""

    def __init__(self, path: Path, detail: str, line: int | None = None, code: str = "broken_annotations") -> None:
        super().__init__(detail)
        self.path = path
        self.detail = detail
        self.line = line
        self.code = code


def read_bytes(path: Path, root: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """The whole file. Raises Unreadable."""
    try:
        content = first_bytes(path, root, limit + 1)
    except (NotOpened, OSError) as error:
        raise _refused(path, error) from None
    if len(content) > limit:
        raise Unreadable(path, f"it has more than {limit / 1e6:,.0f} MB")
    return content


def _refused(path: Path, error: NotOpened | OSError) -> Unreadable:
    """Whatever the file system has against reading a file."""
    if isinstance(error, OSError):
        return Unreadable(path, error.strerror or str(error))
    code = "outside_link" if error.code == "outside_link" else "broken_annotations"
    return Unreadable(path, error.detail, code=code)


def read_utf_8(path: Path, root: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """The whole file without the mark at its beginning, and in UTF-8 where that says UTF-16 or UTF-32, as PowerShell writes it.

    What has no such mark is given as it is found. Raises Unreadable.
    """
    content = read_bytes(path, root, limit)
    encoding = marked_encoding(content)
    if encoding is None:
        return content.removeprefix(BOM_UTF8)
    try:
        text = content.decode(encoding)
        del content  # it may have gigabytes
        return text.encode()
    except UnicodeDecodeError as error:
        raise Unreadable(path, f"it is no {encoding.upper()} text, as it begins ({error.reason})") from None


def marked_encoding(content: bytes) -> str | None:
    """Which of UTF-16 and UTF-32 a mark at the beginning says, if there is one."""
    if not content.startswith(_ANY_MARK):
        return None
    return next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)


def read_text(path: Path, root: Path, limit: int = MAX_FILE_BYTES) -> str:
    """UTF-8, or what a mark at the beginning says, in any of the three ways to end a line. Raises Unreadable."""
    content = read_utf_8(path, root, limit)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(path, f"it is no UTF-8 text (byte 0x{content[error.start]:02x})", line) from None


def read_lines(path: Path, root: Path, limit: int = MAX_FILE_BYTES) -> Iterator[tuple[int, str]]:
    """Number and content of each line that is not blank. Raises Unreadable."""
    for number, line in enumerate(read_text(path, root, limit).splitlines(), 1):
        if stripped := line.strip():
            yield number, stripped


def read_json(path: Path, root: Path, kind: type[T], limit: int = MAX_FILE_BYTES) -> T:
    """The content as a msgspec Struct or another type. Raises Unreadable.

    Fields that the type does not name are passed over; msgspec.Raw for a field postpones its decoding.
    """
    return decode_json(read_utf_8(path, root, limit), kind, path)


def decode_json(content: bytes | msgspec.Raw, kind: type[T], path: Path, line: int | None = None) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise Unreadable(path, _sentence(str(error)), line) from None
    except msgspec.DecodeError as error:
        raise Unreadable(path, f"it is no JSON: {_sentence(str(error))}", line or _json_line(content, error)) from None
    except UnicodeDecodeError as error:
        raise Unreadable(path, f"it is no UTF-8 text: {_sentence(str(error))}", line) from None
    except RecursionError:
        raise Unreadable(path, "it is nested too deep", line) from None


def read_yaml(path: Path, root: Path) -> Any:
    """Plain values only, numbers as YAML 1.2 has them. Raises Unreadable for tags, repeated keys, NaN and too many aliases."""
    return decode_yaml(read_text(path, root, _MAX_YAML_BYTES), path)


def decode_yaml(text: str, path: Path) -> Any:
    """The same for a part of a file that was read already."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a subclass of the safe loader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise Unreadable(path, f"it is no plain YAML: {error.problem or error.context}", line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(path, f"it is no plain YAML: {_sentence(str(error))}") from None


def read_xml(path: Path, root: Path, limit: int = MAX_FILE_BYTES) -> Element:
    """The root element; no entity is expanded and nothing outside the file is looked at. Raises Unreadable."""
    content = read_bytes(path, root, limit)
    with _understood(path):
        if _declares_nothing(content):
            return Plain.fromstring(content)  # noqa: S314 - there is nothing to be expanded
        return Xml.fromstring(content, forbid_dtd=True)


@contextmanager
def _understood(path: Path) -> Generator[None, None, None]:
    """Whatever a parser of XML has against the content, as Unreadable."""
    try:
        yield
    except DefusedXmlException as error:
        raise Unreadable(path, f"it declares entities or a document type ({type(error).__name__})") from None
    except ParseError as error:
        raise Unreadable(path, f"it is no XML: {error.msg}", error.position[0]) from None
    except (ValueError, LookupError, RecursionError) as error:  # an unknown encoding
        raise Unreadable(path, f"it is no XML: {_sentence(str(error))}") from None


class XmlTarget(Protocol):
    """What is told of a document while it is read. `line` is set to what tells the line that was reached."""

    line: Callable[[], int]

    def start(self, tag: str, attributes: dict[str, str], /) -> object: ...
    def end(self, tag: str, /) -> object: ...
    def data(self, text: str, /) -> object: ...


def stream_xml(path: Path, root: Path, target: XmlTarget) -> Iterator[None]:
    """Tell the target what stands in a document too large to be held, a piece at each step. Raises Unreadable, and whatever the
    target raises.

    The parser is defusedxml's with all its guards, but without its way through Python for every element, which takes three times
    as long.
    """
    parser: Any = Xml.DefusedXMLParser(target=target, forbid_dtd=True)
    target.line = lambda: int(parser.parser.CurrentLineNumber)
    parser.parser.ordered_attributes = False
    parser.parser.StartElementHandler = target.start
    parser.parser.EndElementHandler = target.end
    parser.parser.CharacterDataHandler = target.data
    for chunk in _chunks(path, root):
        with _understood(path):
            parser.feed(chunk)
        yield
    with _understood(path):
        parser.close()
    yield


def _chunks(path: Path, root: Path) -> Iterator[bytes]:
    try:
        with opened(path, root) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except (NotOpened, OSError) as error:
        raise _refused(path, error) from None


def _declares_nothing(content: bytes) -> bool:
    """Certain to hold neither entities nor a document type, so that the parser in C may have it: five times as fast.

    Only where these words cannot be written otherwise: in UTF-8.
    """
    encoding = re.search(rb"""encoding\s*=\s*["']([^"']*)""", content[:200])
    in_utf_8 = b"\0" not in content[:200] and (encoding is None or encoding[1].lower() == b"utf-8")
    return in_utf_8 and b"<!DOCTYPE" not in content and b"<!ENTITY" not in content


def _sentence(text: str) -> str:
    return printable(next(iter(text.splitlines()), ""))[:200]


def _json_line(content: bytes | msgspec.Raw, error: msgspec.DecodeError) -> int | None:
    position = re.search(r"\(byte (\d+)\)", str(error))
    return bytes(content).count(b"\n", 0, int(position[1])) + 1 if position else None


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, with limits and without surprises: `1e-4` is a number, `no` is a word, a key comes once."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
        if self._aliases > _MAX_ALIASES or self._depth > _DEEPEST_YAML:
            raise yaml.YAMLError("it has too many aliases" if self._aliases > _MAX_ALIASES else "it is nested too deep")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):  # a tag can say that anything is a map
            raise yaml.constructor.ConstructorError(None, None, "it is called a map and is none", node.start_mark)
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key: Any = self.construct_object(key_node, deep=True)  # pyright: ignore[reportUnknownMemberType]
            if not isinstance(key, str | int | float | bool | None):
                raise yaml.constructor.ConstructorError(None, None, "a key is a list or a map", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} comes twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _scalars(loader: type[yaml.SafeLoader]) -> None:
    """YAML 1.2's core schema in the place of 1.1's, where `1e-4` is text, `on` is true and 1:30 is ninety."""
    loader.yaml_implicit_resolvers = {
        first: [
            (tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    patterns: tuple[tuple[str, str, str], ...] = (
        ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
        ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
        ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    )
    for tag, pattern, first in patterns:
        resolver = (f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))
        loader.add_implicit_resolver(*resolver)  # pyright: ignore[reportUnknownMemberType]


def _plain_values(loader: type[yaml.SafeLoader]) -> None:
    """No dates, sets and other things that a tag can ask for."""
    plain = {None, *(f"tag:yaml.org,2002:{kind}" for kind in ("null", "str", "seq", "map"))}  # None: what is unknown
    constructors: dict[Any, Any] = yaml.SafeLoader.yaml_constructors
    loader.yaml_constructors = {tag: make for tag, make in constructors.items() if tag in plain}


def _construct(tag: str, convert: Callable[[str], Any]) -> None:
    def constructor(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
        return convert(str(loader.construct_scalar(node)))

    _StrictLoader.add_constructor(f"tag:yaml.org,2002:{tag}", constructor)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a number")
    return number


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


_scalars(_StrictLoader)
_plain_values(_StrictLoader)
_construct("bool", _truth)
_construct("int", int)
_construct("float", _finite)
