"""A YOLO set of a stranger leads nowhere and brings nothing down."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yolo_sets import (
    BOXES,
    NAMES,
    by_split,
    complaints,
    finding,
    lay,
    remarks,
    roboflow,
)

from eyebright_kit.data.conformance import write_image
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.format import Candidate
from eyebright_kit.data.formats.yolo import Yolo
from eyebright_kit.data.inspect import inspect
from eyebright_wire.datasets import Split


def test_a_cache_of_labels_is_never_opened(tmp_path: Path) -> None:
    roboflow(tmp_path)
    trap = tmp_path / "train" / "labels.cache"
    os.mkfifo(trap.with_name("pipe.cache"))  # opening it would wait for ever
    trap.write_bytes(b"cos\nsystem\n(S'touch /tmp/yolo-was-here'\ntR.")
    (tmp_path / "train" / "labels" / "train.cache").write_bytes(b"\x80\x04")
    found = remarks(tmp_path)
    assert ("other_file", "train/labels.cache") in found
    assert ("other_file", "train/labels/train.cache") in found
    assert inspect(tmp_path).ready_for("detection").ready


@pytest.mark.parametrize(
    "place",
    [
        "/etc",
        "../../../../../../etc",
        "C:\\Windows",
        "https://example.com/images",
        "/images",
        "/images/other/train",
        "~/pictures",
        "\\\\host\\share",
        "a\0b",
    ],
)
def test_a_place_elsewhere_is_not_looked_at(tmp_path: Path, place: str) -> None:
    text = yaml.safe_dump({"train": place, "val": [place, "also.txt"], "path": place, "names": ["cat", "dog"]})
    lay(tmp_path, {"data.yaml": text, "images/train/1.jpg": "", "labels/train/1.txt": BOXES})
    assert by_split(tmp_path) == {"images/train/1.jpg": Split.TRAIN}
    assert remarks(tmp_path) == [("ignored_entry", "data.yaml")] * 4


def test_a_list_of_images_names_none_outside(tmp_path: Path) -> None:
    write_image(tmp_path / "outside.jpg", 1)
    root = tmp_path / "set"
    lay(
        root,
        {
            "data.yaml": f"train: train.txt\nval: ../list.txt\n{NAMES}",
            "train.txt": f"images/1.jpg\n../outside.jpg\n{tmp_path}/outside.jpg\n/etc/passwd\n",
            "images/1.jpg": "",
            "labels/1.txt": BOXES,
        },
    )
    assert by_split(root) == {"images/1.jpg": Split.TRAIN}
    assert [code for code, _ in remarks(root)] == ["ignored_entry", *["missing_image"] * 3]


def test_garbage_is_complained_about_a_hundred_times_at_most(tmp_path: Path) -> None:
    assert len(complaints(tmp_path, "x\n" * 100_000)) == 100


def test_a_label_that_is_a_link_out_of_the_set_is_not_followed(tmp_path: Path) -> None:
    roboflow(tmp_path / "set")
    secret = tmp_path / "secret.txt"
    secret.write_text(BOXES)
    label = tmp_path / "set/train/labels/a_jpg.rf.0123abcd.txt"
    label.unlink()
    label.symlink_to(secret)
    report = inspect(tmp_path / "set")
    assert "train" not in report.images
    assert str(secret) in finding(report, "outside_link")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_to_a_file_brings_the_reading_down(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    lay(
        root,
        {
            "data.yaml": f"train: train.txt\nval: images/val\nkpt_shape: [2, 3]\nkpt_names: {{0: [l, r]}}\n{NAMES}",
            "train.txt": "images/train/1.jpg\n",
            "images/train/1.jpg": "",
            "labels/train/1.txt": "0 .5 .5 .1 .1 .5 .5 2 .5 .5 1\n1 .5 .5 .1 .1\n",
            "images/val/2.jpg": "",
            "labels/val/2.txt": BOXES,
        },
    )
    victim = root / data.draw(st.sampled_from(["data.yaml", "train.txt", "labels/train/1.txt", "labels/val/2.txt"]))
    content = victim.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 12)))
    known = st.sampled_from(
        [b"nan", b"1e400", b"-1", b"[", b"{}", b"null", b"\0", b"\xff", b"..", b"9" * 5000, b"&a", b"*a", b"\r"]
    )
    victim.write_bytes(content[:start] + data.draw(known | st.binary(max_size=8)) + content[end:])
    assert inspect(root).findings
    if Yolo().matches(root):
        with suppress(Unreadable):
            for found in Yolo().read(root).found():
                if isinstance(found, Candidate) and found.annotate:
                    found.annotate(16, 16)
