"""Data that attacks: each way in ends in a clear refusal or is passed over, soon, in little memory, and nothing else happens.

Each case is inspected by the real command in a process of its own. Whatever the case: at most 10 seconds of one core and 512 MB,
one JSON document without a traceback, nothing written outside, nothing left behind, and the canary does not sing.
"""

import json
import os
import pickle
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eyebright_kit.data.conformance import write_image

CPU_SECONDS = 10.0
#: On a machine that is busy with something else too, the same work takes longer; what only waits never ends.
TIMEOUT_SECONDS = 120.0
MEGABYTES = 512
EYEBRIGHT = Path(sys.executable).parent / "eyebright"

Case = Callable[[Path, Path], Path]  # (empty folder, canary) -> what to inspect


def zip_with(name: str, content: bytes = b"x", mode: int = 0o100644) -> Case:
    """Two sound class folders and one hostile entry."""

    def build(folder: Path, _canary: Path) -> Path:
        archive = folder / "set.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
            for number in range(4):
                picture = write_image(folder / "draft" / f"{number}.png", number)
                target.writestr(f"{'cats' if number % 2 else 'dogs'}/{number}.png", picture.read_bytes())
            entry = zipfile.ZipInfo(name)
            entry.filename = name  # ZipInfo would repair it
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)
        return archive

    return build


def tree(files: dict[str, str | bytes], images: tuple[str, ...] = ()) -> Case:
    """A folder with these files, in which CANARY stands for the path of the canary, and pictures of 16 × 16."""

    def build(folder: Path, canary: Path) -> Path:
        root = folder / "set"
        for number, image in enumerate(images):
            write_image(root / image, number)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, bytes) else content.encode()
            path.write_bytes(text.replace(b"CANARY", str(canary).encode()))
        return root

    return build


def png_of(width: int, height: int) -> bytes:
    """A small file that unpacks to width × height zeros."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    compressor = zlib.compressobj(9)
    rows = b"".join(compressor.compress(bytes(width + 1)) for _ in range(height)) + compressor.flush()
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class _Singing:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


def yolo_with_cache(folder: Path, canary: Path) -> Path:
    root = tree({"data.yaml": _YOLO_YAML, "labels/train/1.txt": _BOX, "labels/val/2.txt": _BOX}, _YOLO_IMAGES)(
        folder, canary
    )
    (root / "labels" / "train.cache").write_bytes(pickle.dumps(_Singing(canary)))
    return root


def links_out(folder: Path, _canary: Path) -> Path:
    root = tree({}, ("cats/1.png", "dogs/1.png"))(folder, _canary)
    (root / "cats" / "passwd.png").symlink_to("/etc/passwd")
    (root / "etc").symlink_to("/etc")
    return root


def pipes(folder: Path, _canary: Path) -> Path:
    root = tree({}, ("cats/1.png", "dogs/1.png"))(folder, _canary)
    os.mkfifo(root / "cats" / "2.png")
    return root


_YOLO_IMAGES = ("images/train/1.png", "images/val/2.png")
_YOLO_YAML = "path: /etc\ntrain: images/train\nval: images/val\ndownload: touch CANARY\nnames: [cat, dog]\n"
_BOX = "0 0.5 0.5 0.25 0.25\n"
_LABELS: dict[str, str | bytes] = {"labels/train/1.txt": _BOX, "labels/val/2.txt": _BOX}
_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
_COCO = '{"images": [%s], "annotations": [%s], "categories": [{"id": 1, "name": "cat"}]}'
_VOC = "<annotation><filename>1.png</filename><object><name>cat</name><bndbox>%s</bndbox></object></annotation>"
_IN_COCO = "annotations/instances_train.json"

#: What to inspect, and a word of the refusal or of a finding about it.
CASES: dict[str, tuple[Case, str]] = {
    "a path that climbs out": (zip_with("../CANARY.png"), "leaves its folder"),
    "a path that climbs out in the middle": (zip_with("cats/../../x.png"), "leaves its folder"),
    "an absolute path": (zip_with("/tmp/x.png"), "absolute"),
    "a drive": (zip_with("C:/x.png"), "absolute"),
    "a backslash": (zip_with("cats\\x.png"), "backslash"),
    "a control character": (zip_with("cats/\x1b[2Jx.png"), "control"),
    "a device": (zip_with("cats/con.png"), "device"),
    "a link in a zip": (zip_with("cats/l.png", b"/etc/passwd", stat.S_IFLNK | 0o777), "link"),
    "a twin by case": (zip_with("Cats/1.png"), "the same name on some computers"),
    "a bomb": (zip_with("cats/bomb.png", bytes(300_000_000)), "as bombs do"),
    "a picture that unpacks to a gigabyte": (
        tree({"cats/x.png": png_of(30_000, 30_000)}, ("cats/1.png", "dogs/1.png")),
        "megapixels",
    ),
    "a header that promises the moon": (
        tree(
            {"cats/x.png": png_of(16, 16)[:16] + b"\x7f\xff\xff\xff" * 2 + png_of(16, 16)[24:]},
            ("cats/1.png", "dogs/1.png"),
        ),
        "x.png",
    ),
    "links out of the folder": (links_out, "links lead out"),
    "a pipe": (pipes, "pipe"),
    "YAML that downloads and points elsewhere": (tree({"data.yaml": _YOLO_YAML, **_LABELS}, _YOLO_IMAGES), "yolo"),
    "YAML with a tag": (
        tree({"data.yaml": 'names: !!python/object/apply:os.system ["touch CANARY"]\n', **_LABELS}, _YOLO_IMAGES),
        "tag",
    ),
    "YAML with too many aliases": (
        tree({"data.yaml": "a: &a [x]\nnames: [" + "*a, " * 5000 + "]\n", **_LABELS}, _YOLO_IMAGES),
        "aliases",
    ),
    "labels with a pickle beside them": (yolo_with_cache, "yolo"),
    "labels that are no numbers": (
        tree({"data.yaml": _YOLO_YAML, **_LABELS, "labels/train/1.txt": "0 nan inf 1e999 1\n"}, _YOLO_IMAGES),
        "1.txt:1",
    ),
    "XML that laughs": (
        tree(
            {"Annotations/1.xml": f'<!DOCTYPE a [<!ENTITY l0 "ha">{_LAUGHS}]><annotation>&l11;</annotation>'},
            ("JPEGImages/1.png",),
        ),
        "document type",
    ),
    "XML that reads a file": (
        tree(
            {
                "Annotations/1.xml": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>'
            },
            ("JPEGImages/1.png",),
        ),
        "document type",
    ),
    "XML with numbers that are none": (
        tree(
            {"Annotations/1.xml": _VOC % "<xmin>nan</xmin><ymin>1</ymin><xmax>inf</xmax><ymax>9</ymax>"},
            ("JPEGImages/1.png",),
        ),
        "1.xml",
    ),
    "JSON that names a file elsewhere": (
        tree({_IN_COCO: _COCO % ('{"id": 1, "file_name": "../../../etc/passwd"}', "")}, ("train/1.png",)),
        "passwd",
    ),
    "JSON that is nested deep": (
        tree({_IN_COCO: '{"images": ' + "[" * 200_000}, ("train/1.png",)),
        "instances_train.json",
    ),
    "JSON with a number that never ends": (
        tree(
            {
                _IN_COCO: _COCO
                % (
                    '{"id": 1, "file_name": "1.png"}',
                    '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1e999, 1, 1, 1]}',
                )
            },
            ("train/1.png",),
        ),
        "instances_train.json",
    ),
    "run lengths of terabytes": (
        tree(
            {
                _IN_COCO: _COCO
                % (
                    '{"id": 1, "file_name": "1.png"}',
                    '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 1, 1], '
                    '"segmentation": {"size": [1000000000, 1000000000], "counts": [999999999999, 1]}}',
                )
            },
            ("train/1.png",),
        ),
        "instances_train.json",
    ),
    "a table that names a file elsewhere": (
        tree({"metadata.csv": "file_name,text\n../../../etc/passwd,x\n"}, ("1.png",)),
        "passwd",
    ),
    "a table with an endless field": (
        tree({"metadata.csv": b'file_name,text\n1.png,"' + b"x" * 15_000_000}, ("1.png",)),
        "metadata.csv",
    ),
    "captions that steer the terminal": (
        tree({"1.txt": "\x1b]0;owned\x07 a cat\x1b[2J", "2.txt": "a dog"}, ("1.png", "2.png")),
        "captions",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_hostile_data_harms_nobody(name: str, tmp_path: Path) -> None:
    build, word = CASES[name]
    data, scratch, canary = tmp_path / "data", tmp_path / "scratch", tmp_path / "canary"
    data.mkdir()
    scratch.mkdir()
    source = build(data, canary)
    before = listing(tmp_path)
    code, output, errors, seconds, megabytes = inspected(source, scratch)
    assert code in (0, 1), errors
    document = json.loads(output)
    assert "Traceback" not in errors
    assert word in json.dumps(document, ensure_ascii=False), output[:2000]
    assert not canary.exists()
    assert listing(tmp_path) == before
    assert seconds <= CPU_SECONDS
    assert megabytes <= MEGABYTES
    assert not any(letter in output + errors for letter in "\x1b\x07")


def inspected(source: Path, scratch: Path) -> tuple[int, str, str, float, float]:
    """Exit status, stdout, stderr, seconds of CPU time and the most memory in MB."""
    environment = {**os.environ, "TMPDIR": str(scratch), "EYEBRIGHT_DATA_DIR": str(scratch / "none")}
    report = scratch.parent / "usage"
    # Through a small process: a child's figure begins with what its parent holds, and that is a whole test session.
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, report, EYEBRIGHT, "datasets", "inspect", source, "--json"],
        capture_output=True,
        env=environment,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    seconds, kilobytes = map(float, report.read_text().split())
    report.unlink()
    return done.returncode, done.stdout, done.stderr, seconds, kilobytes / 1e3


_MEASURED = """
import pathlib, resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
pathlib.Path(sys.argv[1]).write_text(f"{used.ru_utime + used.ru_stime} {used.ru_maxrss}")
sys.exit(code)
"""


def listing(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))
