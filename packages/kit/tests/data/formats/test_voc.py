"""Pascal VOC as its tools write it, in every layout; and as nobody should."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from fuzz.mutation import mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reads import Reads, write

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.conformance import Example, FormatConformance, write_image
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Certainty, detect
from eyebright_kit.data.formats.voc import Voc
from eyebright_kit.data.inspect import inspect
from eyebright_wire.datasets import DatasetReport, Split

BOX = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>8</xmax><ymax>9</ymax></bndbox>"


def thing(name: str = "cat", inside: str = BOX) -> str:
    return f"<object><name>{name}</name>{inside}</object>"


def document(*objects: str, size: str = "16", name: str = "1.png") -> str:
    return (
        f"<annotation><folder>VOC</folder><filename>{name}</filename><size><width>{size}</width><height>{size}</height>"
        f"<depth>3</depth></size><segmented>0</segmented>{''.join(objects)}</annotation>\n"
    )


def write_devkit(root: Path) -> None:
    """As the development kit has it."""
    names = {"train": ["2007_01", "2007_02"], "val": ["2007_03"], "test": ["2007_04"]}
    seed = 0
    for split, stems in names.items():
        for stem in stems:
            write_image(root / "JPEGImages" / f"{stem}.jpg", seed)
            write(root / "Annotations" / f"{stem}.xml", document(thing("dog"), thing("cat")))
            seed += 1
        write(root / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{stem}\n" for stem in stems))
    write(root / "ImageSets" / "Main" / "trainval.txt", "2007_01\n2007_02\n2007_03\n")


DEVKIT_FILES = frozenset(f"ImageSets/Main/{name}.txt" for name in ("train", "val", "test", "trainval")) | {
    f"Annotations/2007_0{n}.xml" for n in range(1, 5)
}


class TestVoc(FormatConformance):
    form = Voc()
    flavours = (
        frozenset({Feature.BOX}),
        frozenset({Feature.BOX, Feature.CLASS_ORDER, Feature.CLASS_NAMES}),
        frozenset({Feature.BOX, Feature.ATTRIBUTES}),
        frozenset({Feature.BOX, Feature.POLYGON, Feature.CLASS_ORDER}),
        frozenset({Feature.BOX, Feature.POLYGON, Feature.PARTS, Feature.LOOSE_BOX, Feature.ATTRIBUTES}),
        frozenset({Feature.BOX, Feature.CORNERS, Feature.LOOSE_BOX}),
        frozenset({Feature.BOX, Feature.CORNERS, Feature.POLYGON, Feature.SEVERAL_SHAPES}),
    )

    def example(self, root: Path) -> Example:
        write_devkit(root)
        images = {Split.TRAIN: 2, Split.VAL: 1, Split.TEST: 1}
        return Example(("cat", "dog"), images, ("detection",), DEVKIT_FILES)


class TestVocFromRoboflow(FormatConformance):
    form = Voc()
    flavours = ()

    def example(self, root: Path) -> Example:
        files: set[str] = set()
        for seed, (split, stem) in enumerate(
            (("train", "a_jpg.rf.0f"), ("train", "b_jpg.rf.1f"), ("valid", "c_jpg.rf.2f"))
        ):
            write_image(root / split / f"{stem}.jpg", seed)
            write(root / split / f"{stem}.xml", document(thing("cat"), thing("dog")))
            files.add(f"{split}/{stem}.xml")
        return Example(("cat", "dog"), {Split.TRAIN: 2, Split.VAL: 1}, ("detection",), frozenset(files))


class TestVocInsideItsDevelopmentKit(FormatConformance):
    form = Voc()
    flavours = ()

    def example(self, root: Path) -> Example:
        inner = "VOCdevkit/VOC2012"
        write_devkit(root / inner)
        images = {Split.TRAIN: 2, Split.VAL: 1, Split.TEST: 1}
        return Example(("cat", "dog"), images, ("detection",), frozenset(f"{inner}/{name}" for name in DEVKIT_FILES))


reads = Reads(Voc())


def one(root: Path, text: str | bytes) -> Path:
    """A data set of one image and one document."""
    write_image(root / "images" / "1.png", 1)
    return write(root / "annotations" / "1.xml", text)


def codes(report: DatasetReport) -> dict[str, int]:
    return {found.code: found.count for found in report.findings}


# Layouts


def test_a_box_is_taken_as_the_numbers_stand_there(tmp_path: Path) -> None:
    one(
        tmp_path,
        document(thing("cat", "<bndbox><xmin>1.5</xmin><ymin>2</ymin><xmax>10</xmax><ymax>16</ymax></bndbox>")),
    )
    assert reads.only(tmp_path) == Instance(label=0, box=(1.5, 2, 8.5, 14))


def test_the_order_of_the_edges_does_not_matter(tmp_path: Path) -> None:
    """As the development kit of 2012 has some of them."""
    one(tmp_path, document(thing("cat", "<bndbox><xmax>10</xmax><xmin>1</xmin><ymax>9</ymax><ymin>2</ymin></bndbox>")))
    assert reads.only(tmp_path).box == (1, 2, 9, 7)


@pytest.mark.parametrize(
    ("image", "xml"),
    [
        ("images/train/1.png", "annotations/train/1.xml"),
        ("train/images/1.png", "train/annotations/1.xml"),
        ("train/1.png", "train/1.xml"),
        ("my photos/train/1.png", "my photos/annotations/train/1.xml"),
    ],
)
def test_images_and_annotations_meet_wherever_they_lie(tmp_path: Path, image: str, xml: str) -> None:
    write_image(tmp_path / image, 1)
    write(tmp_path / xml, document(thing()))
    assert [(c.split, len(reads.annotations(tmp_path).instances)) for c in reads.candidates(tmp_path)] == [
        (Split.TRAIN, 1)
    ]
    assert reads.remarks(tmp_path) == []


def test_the_name_of_the_xml_decides_and_not_what_it_says_inside(tmp_path: Path) -> None:
    one(tmp_path, document(thing(), name="/home/me/DSC_001.JPG"))
    assert len(reads.annotations(tmp_path).instances) == 1


def test_two_development_kits_side_by_side_keep_their_lists_apart(tmp_path: Path) -> None:
    for year, split in (("VOC2007", "train"), ("VOC2012", "val")):
        write_image(tmp_path / year / "JPEGImages" / "000001.jpg", int(year[-2:]))
        write(tmp_path / year / "Annotations" / "000001.xml", document(thing()))
        write(tmp_path / year / "ImageSets" / "Main" / f"{split}.txt", "000001\n")
    assert [(c.source, c.split) for c in reads.candidates(tmp_path)] == [
        ("VOC2007/JPEGImages/000001.jpg", Split.TRAIN),
        ("VOC2012/JPEGImages/000001.jpg", Split.VAL),
    ]


def test_the_list_of_train_and_val_together_is_train(tmp_path: Path) -> None:
    one(tmp_path, document(thing()))
    write(tmp_path / "ImageSets" / "Main" / "trainval.txt", "1\n")
    assert reads.candidates(tmp_path)[0].split == Split.TRAIN


def test_a_set_without_subsets_from_cvat_has_no_splits(tmp_path: Path) -> None:
    one(tmp_path, document(thing()))
    write(tmp_path / "ImageSets" / "Main" / "default.txt", "1\n")
    assert reads.candidates(tmp_path)[0].split is None


@pytest.mark.parametrize("line", ["a b", '"a b"', "a b  1", "a b -1", "a b.png"])
def test_a_line_of_a_list_may_be_written_in_many_ways(tmp_path: Path, line: str) -> None:
    write_image(tmp_path / "JPEGImages" / "a b.png", 1)
    write(tmp_path / "Annotations" / "a b.xml", document(thing()))
    write(tmp_path / "ImageSets" / "Main" / "val.txt", f"\ufeff{line}\r\n")
    assert [c.split for c in reads.candidates(tmp_path)] == [Split.VAL]


def test_lists_of_single_classes_are_no_annotations_in_use(tmp_path: Path) -> None:
    write_devkit(tmp_path)
    write(tmp_path / "ImageSets" / "Main" / "cat_train.txt", "2007_01 1\n")
    assert reads.remarks(tmp_path) == [("other_file", "ImageSets/Main/cat_train.txt", "")]


# Classes


def test_a_labelmap_of_cvat_keeps_its_order_and_its_background_is_no_class(tmp_path: Path) -> None:
    one(tmp_path, document(thing("zebra")))
    text = (
        "# label:color_rgb:parts:actions\nzebra:250,50,83::\nbackground:0,0,0::\nnot: a car:1,2,3:head,tail:\nape:::\n"
    )
    write(tmp_path / "labelmap.txt", text)
    assert reads(tmp_path).classes == ("zebra", "not: a car", "ape")
    assert reads.only(tmp_path).label == 0


@pytest.mark.parametrize("name", ["labels.txt", "classes.txt"])
def test_a_plain_list_keeps_its_order(tmp_path: Path, name: str) -> None:
    one(tmp_path, document(thing("ape")))
    write(tmp_path / name, "zebra\nape\n")
    assert reads(tmp_path).classes == ("zebra", "ape")
    assert reads.remarks(tmp_path) == []


def test_without_a_list_the_classes_are_the_names_of_the_objects_and_of_nothing_else(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox/></part>"
    one(tmp_path, document(thing("person", part + BOX), thing("R&amp;D"), thing("9"), thing("10")))
    assert reads(tmp_path).classes == ("9", "10", "person", "R&D")


def test_the_name_of_a_part_is_no_class_even_where_it_comes_first(tmp_path: Path) -> None:
    block = "<attributes><attribute><name>wild</name><value>1</value></attribute></attributes>"
    one(tmp_path, document(f"<object>{block}<part><name>head</name></part><name>person</name>{BOX}</object>"))
    assert reads(tmp_path).classes == ("person",)


def test_names_are_found_in_any_encoding_and_behind_comments(tmp_path: Path) -> None:
    text = f'<?xml version="1.0" encoding="ISO-8859-1"?><!-- <object><name>no</name></object> -->{document(thing("Köter"))}'
    one(tmp_path, text.encode("latin-1"))
    assert reads(tmp_path).classes == ("Köter",)
    assert reads.only(tmp_path).label == 0


def test_a_class_that_the_list_lacks_leaves_the_image_out(tmp_path: Path) -> None:
    one(tmp_path, document(thing("cat"), thing("dog")))
    write(tmp_path / "classes.txt", "cat\n")
    (remark,) = reads.annotations(tmp_path).remarks
    assert (remark.code, remark.mark) == ("class_without_name", "object 2")
    assert remark.detail == "the class 'dog' is not in the list of classes"


def test_a_class_that_comes_twice_in_the_list_makes_the_set_unreadable(tmp_path: Path) -> None:
    one(tmp_path, document(thing()))
    write(tmp_path / "labelmap.txt", "cat:1,1,1::\ncat:2,2,2::\n")
    finding = inspect(tmp_path).findings[0]
    assert finding.code == "broken_annotations"
    assert "labelmap.txt:2" in finding.message
    assert "comes twice" in finding.message


# What stands in an object


def test_flags_and_pose_become_attributes_where_they_are_set(tmp_path: Path) -> None:
    flags = "<pose>Left</pose><truncated>1</truncated><difficult>0</difficult><occluded>1</occluded>"
    one(tmp_path, document(thing("cat", flags + BOX)))
    assert reads.only(tmp_path).attributes == {"truncated": True, "occluded": True, "pose": "Left"}


def test_attributes_of_cvat_are_read_with_their_types(tmp_path: Path) -> None:
    pairs = {"colour": "red", "age": "7", "wild": "true", "length": "1.50", "code": "007"}
    block = "".join(f"<attribute><name>{k}</name><value>{v}</value></attribute>" for k, v in pairs.items())
    one(tmp_path, document(thing("cat", f"{BOX}<attributes>{block}</attributes>")))
    assert reads.only(tmp_path).attributes == {"colour": "red", "age": 7, "wild": True, "length": 1.5, "code": "007"}


def test_a_turned_box_of_rolabelimg_becomes_corners(tmp_path: Path) -> None:
    inside = "<type>robndbox</type><robndbox><cx>8</cx><cy>6</cy><w>4</w><h>2</h><angle>1.5707963267948966</angle></robndbox>"
    one(tmp_path, document(thing("ship", inside)))
    found = reads.only(tmp_path)
    assert found.corners == (9, 4, 9, 8, 7, 8, 7, 4)
    assert found.box == (7, 4, 2, 4)


def test_a_turned_box_of_eight_numbers_is_taken_as_it_is(tmp_path: Path) -> None:
    numbers = "".join(f"<x{n}>{n}</x{n}><y{n}>{n * n}</y{n}>" for n in range(1, 5))
    one(tmp_path, document(thing("ship", f"<rotated_bndbox>{numbers}</rotated_bndbox>")))
    assert reads.only(tmp_path).corners == (1, 1, 2, 4, 3, 9, 4, 16)


@pytest.mark.parametrize(
    "inside",
    [
        "<x1>1</x1><y1>2</y1><x2>5</x2><y2>2</y2><x3>5</x3><y3>8</y3>",
        "<pt><x>1</x><y>2</y></pt><pt><x>5</x><y>2</y></pt><pt><x>5</x><y>8</y></pt>",
    ],
)
def test_an_outline_is_read_in_both_ways_of_writing_it(tmp_path: Path, inside: str) -> None:
    one(tmp_path, document(thing("cat", f"<polygon>{inside}</polygon>")))
    assert reads.only(tmp_path) == Instance(label=0, box=(1, 2, 4, 6), polygons=((1, 2, 5, 2, 5, 8),))


def test_parts_of_an_object_are_told_and_the_object_is_kept(tmp_path: Path) -> None:
    one(tmp_path, document(thing("cat", f"{BOX}<part><name>head</name>{BOX}</part>")))
    found = reads.annotations(tmp_path)
    assert len(found.instances) == 1
    assert [(r.code, r.mark) for r in found.remarks] == [("unsupported_annotations", "object 1")]


def test_another_size_than_the_images_is_told(tmp_path: Path) -> None:
    path = one(tmp_path, document(thing(), size="32"))
    (remark,) = reads.annotations(tmp_path).remarks
    assert (remark.code, remark.path) == ("size_mismatch", path)
    assert remark.detail == "it says 32×32, the image has 16×16 pixels"


@pytest.mark.parametrize("size", ["0", "", "unknown"])
def test_a_size_that_says_nothing_is_no_other_size(tmp_path: Path, size: str) -> None:
    one(tmp_path, document(thing(), size=size))
    assert len(reads.annotations(tmp_path).instances) == 1
    assert reads.annotations(tmp_path).remarks == ()


# Files without their counterpart


def test_what_has_no_counterpart_is_told(tmp_path: Path) -> None:
    write_devkit(tmp_path)
    write(tmp_path / "Annotations" / "lost.xml", document(thing()))
    (tmp_path / "Annotations" / "2007_01.xml").unlink()
    write_image(tmp_path / "JPEGImages" / "extra.jpg", 9)
    write(tmp_path / "ImageSets" / "Main" / "val.txt", "2007_03\n\ngone\n")
    assert reads.remarks(tmp_path) == [
        ("missing_image", "ImageSets/Main/val.txt", "3"),
        ("orphan_annotations", "Annotations/lost.xml", ""),
        ("unlisted_image", "JPEGImages/extra.jpg", ""),
    ]
    found = reads.annotations(tmp_path)
    assert [remark.code for remark in found.remarks] == ["missing_annotations"]


def test_masks_beside_boxes_are_told_and_are_no_images(tmp_path: Path) -> None:
    write_devkit(tmp_path)
    for folder in ("SegmentationClass", "SegmentationObject"):
        write_image(tmp_path / folder / "2007_01.png", 9)
    assert reads.remarks(tmp_path) == [
        ("unsupported_annotations", "SegmentationClass/2007_01.png", ""),
        ("unsupported_annotations", "SegmentationObject/2007_01.png", ""),
    ]


def test_an_image_without_objects_is_an_image(tmp_path: Path) -> None:
    one(tmp_path, document())
    assert reads.annotations(tmp_path).instances == ()
    assert reads.annotations(tmp_path).remarks == ()


# Recognition


@pytest.mark.parametrize(
    "text",
    [
        "<annotations><version>1.1</version></annotations>",
        "<annotation><filename>1.jpg</filename><imagesize><nrows>1</nrows></imagesize></annotation>",
        "<html/>",
    ],
)
def test_other_xml_is_not_taken_for_voc(tmp_path: Path, text: str) -> None:
    write_image(tmp_path / "1.png", 1)
    write(tmp_path / "1.xml", text)
    assert Voc().matches(tmp_path) == Certainty.NO


def test_voc_is_recognised_behind_a_wrapping(tmp_path: Path) -> None:
    write_devkit(tmp_path / "a" / "b")
    found = detect(tmp_path)
    assert found
    assert found.name == "voc"
    assert reads.candidates(tmp_path)[0].source == "JPEGImages/2007_01.jpg"


# What nobody should write


@pytest.mark.parametrize(
    ("inside", "detail"),
    [
        ("", "it has no <bndbox>, <robndbox> or <polygon>"),
        ("<bndbox><xmin>1</xmin></bndbox>", "it has no ymin"),
        (BOX.replace(">8<", ">nan<"), "its xmax is 'nan'; expected a number"),
        (BOX.replace(">8<", ">1e400<"), "its xmax is '1e400'; expected a number"),
        (BOX.replace(">8<", ">-Infinity<"), "its xmax is '-Infinity'; expected a number"),
        (BOX.replace(">8<", ">1_0<"), "its xmax is '1_0'; expected a number"),
        (BOX.replace(">8<", "><b/><"), "its xmax is ''; expected a number"),
        ("<polygon><x1>1</x1><y1>1</y1></polygon>", "an outline has 1 points; expected 3 or more"),
        ("<robndbox><cx>1</cx><cy>1</cy><w>1</w><h>1</h></robndbox>", "it has no angle"),
    ],
)
def test_an_object_that_cannot_be_understood_is_named(tmp_path: Path, inside: str, detail: str) -> None:
    path = one(tmp_path, document(thing(), thing("cat", inside)))
    (remark,) = reads.annotations(tmp_path).remarks
    assert (remark.code, remark.path, remark.mark, remark.detail) == ("broken_annotations", path, "object 2", detail)
    assert codes(inspect(tmp_path))["broken_annotations"] == 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe\x00",
        document(thing())[:-30].encode(),
        b'<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation><object><name>&b;</name></object></annotation>',
        b"<annotation>" + b"<a>" * 100_000,
        b"<root/>",
        b'<?xml version="1.0" encoding="none"?><annotation/>',
    ],
)
def test_a_document_that_cannot_be_read_concerns_its_image_alone(tmp_path: Path, text: bytes) -> None:
    write_devkit(tmp_path)
    write(tmp_path / "Annotations" / "2007_01.xml", text)
    report = inspect(tmp_path)
    assert codes(report)["broken_annotations"] == 1
    assert "Annotations/2007_01.xml" in report.findings[0].message
    assert report.images == {"train": 1, "val": 1, "test": 1}


def test_names_that_lead_out_of_the_data_set_are_never_followed(tmp_path: Path) -> None:
    write(tmp_path / "secret.xml", document(thing("secret")))
    root = tmp_path / "set"
    write_devkit(root)
    write(root / "ImageSets" / "Main" / "train.txt", "../../secret\n/etc/passwd\nC:\\x\n2007_01\n")
    assert Counter(code for code, _, _ in reads.remarks(root))["missing_image"] == 3
    assert "secret" not in reads(root).classes


def test_a_document_that_is_a_link_out_of_the_data_set_is_not_read(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.xml", document(thing("secret")))
    root = tmp_path / "set"
    write_devkit(root)
    (root / "Annotations" / "2007_01.xml").unlink()
    (root / "Annotations" / "2007_01.xml").symlink_to(secret)
    assert codes(inspect(root))["outside_link"] == 1
    assert reads(root).classes == ("cat", "dog")


@pytest.mark.parametrize("stem", ["1.jpg", "road 1"])
def test_a_document_of_another_name_belongs_to_the_image_that_it_names(tmp_path: Path, stem: str) -> None:
    write_image(tmp_path / "images" / "1.jpg", 1)
    write(tmp_path / "annotations" / f"{stem}.xml", document(thing(), name="1.jpg"))
    assert reads.only(tmp_path).box == (2, 3, 6, 6)
    assert reads.remarks(tmp_path) == []


def test_one_folder_of_documents_serves_images_in_many(tmp_path: Path) -> None:
    for folder in ("cam1", "cam2"):
        write_image(tmp_path / "images" / folder / f"{folder}.jpg", ord(folder[3]))
        write(tmp_path / "annotations" / f"{folder}.xml", document(thing(folder), name=f"{folder}.jpg"))
    assert reads.remarks(tmp_path) == []
    labels = [c.annotate(16, 16).instances[0].label for c in reads.candidates(tmp_path) if c.annotate]
    assert labels == [0, 1]


def test_which_of_two_images_of_one_name_is_meant_is_not_guessed(tmp_path: Path) -> None:
    for folder in ("cam1", "cam2"):
        write_image(tmp_path / "images" / folder / "1.jpg", ord(folder[3]))
    write(tmp_path / "annotations" / "1.xml", document(thing()))
    assert reads.remarks(tmp_path) == [("orphan_annotations", "annotations/1.xml", "")]
    write_image(tmp_path / "images" / "cam1" / "2.jpg", 2)
    for folder in ("a", "b"):
        write(tmp_path / "annotations" / folder / "2.xml", document(thing()))
    assert len(reads.remarks(tmp_path)) == 3


def test_a_document_of_the_very_name_goes_before_one_that_names_the_image(tmp_path: Path) -> None:
    one(tmp_path, document(thing("dog")))
    write(tmp_path / "annotations" / "0.xml", document(thing("cat"), name="1.png"))
    assert reads(tmp_path).classes[reads.only(tmp_path).label] == "dog"
    assert reads.remarks(tmp_path) == [("orphan_annotations", "annotations/0.xml", "")]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "../../secret.png", "/etc/passwd", "C:\\1.png", "a/" * 3000, "images/1.png/2.png"]
)
def test_whatever_a_document_names_only_images_of_the_set_are_meant(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "secret.png", 2)
    root = tmp_path / "in" / "set"
    write_image(root / "images" / "1.png", 1)
    write(root / "annotations" / "0.xml", document(thing(), name=name))
    assert [c.path.name for c in reads.candidates(root)] == ["1.png"]
    assert reads.remarks(root) == [("orphan_annotations", "annotations/0.xml", "")]


@pytest.mark.parametrize("folder", ["annotations/trimaps", "masks"])
def test_pictures_in_a_folder_of_masks_are_told_and_are_no_images(tmp_path: Path, folder: str) -> None:
    one(tmp_path, document(thing()))
    write_image(tmp_path / folder / "1.png", 2)
    assert [c.path.parent.name for c in reads.candidates(tmp_path)] == ["images"]
    assert reads.remarks(tmp_path) == [("unsupported_annotations", f"{folder}/1.png", "")]


def test_images_of_masked_faces_are_images(tmp_path: Path) -> None:
    write_image(tmp_path / "masks" / "1.png", 2)
    write(tmp_path / "masks" / "1.xml", document(thing()))
    assert len(reads.candidates(tmp_path)) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_document_in_utf_16_has_its_classes(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    one(tmp_path, (mark + document(thing("cät"))).encode(encoding))
    assert reads(tmp_path).classes == ("cät",)
    assert reads.only(tmp_path).label == 0


def test_control_characters_in_names_are_shown_escaped(tmp_path: Path) -> None:
    one(tmp_path, document(thing("c\u202eat")))
    assert reads(tmp_path).classes == ("c\\u202eat",)
    assert reads.only(tmp_path).label == 0


SOUND = document(
    thing(
        "cat",
        f"<difficult>1</difficult>{BOX}<attributes><attribute><name>a</name><value>1</value></attribute></attributes>",
    ),
    thing("dog", "<robndbox><cx>8</cx><cy>6</cy><w>4</w><h>2</h><angle>1.5</angle></robndbox>"),
    thing("ape", "<polygon><x1>1</x1><y1>2</y1><x2>5</x2><y2>2</y2><x3>5</x3><y3>8</y3></polygon>"),
).encode()
_PIECES = (b"<object>", b"</object>", b"nan", b"&#0;", b"<part/>", b"<!--")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_stands_in_a_file_there_is_a_report(tmp_path: Path, seed: int) -> None:
    one(tmp_path, mutated(SOUND, Random(seed), _PIECES))
    assert inspect(tmp_path).format
    assert [found.path.name for found in reads.candidates(tmp_path)] == ["1.png"]
