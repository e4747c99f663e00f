"""The tree that Ultralytics reads: our numbers for names, the run's own files, and labels in the form of each task."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from PIL import ExifTags, Image, ImageDraw

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.bitmaps import counts_of
from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_kit.data.rle import compress
from eyebright_ultralytics.tasks import task_named
from eyebright_ultralytics.tree import spoken, write_tree
from eyebright_wire.datasets import Split

#: How many numbers the line of an object has behind its class.
NUMBERS = {"detection": 4, "instance_segmentation": 8, "keypoint_detection": 4 + 3 * 3, "oriented_detection": 8}


@pytest.mark.parametrize("task", NUMBERS)
def test_each_object_has_its_line_in_the_form_of_the_task(
    task: str, tiny: Callable[[str], LocalDataset], tmp_path: Path
):
    data = tiny(task)
    description = yaml.safe_load(write_tree(data, task_named(task), tmp_path / "tree", lambda: None).read_text())
    assert Path(description["path"]).is_absolute()
    assert description["names"] == {0: "slab", 1: "dart"}
    for split in (Split.TRAIN, Split.VAL):
        images = sorted((tmp_path / "tree" / "images" / split).iterdir())
        assert [image.name for image in images] == [f"{n:06d}.png" for n in range(len(data.samples(split)))]
        for number, sample in enumerate(data.samples(split)):
            lines = (tmp_path / "tree" / "labels" / split / f"{number:06d}.txt").read_text().splitlines()
            assert [int(line.split()[0]) for line in lines] == [instance.label for instance in sample.instances]
            for line in lines:
                numbers = [float(word) for word in line.split()[1:]]
                assert len(numbers) == NUMBERS[task]
                assert all(0 <= number <= 1 or number == 2 for number in numbers)


def test_pose_tells_how_many_keypoints_there_are(tiny: Callable[[str], LocalDataset], tmp_path: Path):
    written = write_tree(tiny("keypoint_detection"), task_named("keypoint_detection"), tmp_path / "tree", lambda: None)
    assert yaml.safe_load(written.read_text())["kpt_shape"] == [3, 3]


def test_every_class_has_a_folder_in_each_split_even_one_without_images(tiny, tmp_path: Path):
    data = tiny("classification")
    val = tuple(sample for sample in data.samples(Split.VAL) if sample.label != 1)
    tree = write_tree(
        replace(data, splits={**data.splits, Split.VAL: val}),
        task_named("classification"),
        tmp_path / "tree",
        lambda: None,
    )
    assert [folder.name for folder in sorted((tree / "val").iterdir())] == ["000000", "000001", "000002"]
    assert not list((tree / "val" / "000001").iterdir())
    assert len(list((tree / "train" / "000001").iterdir())) == 8


@pytest.mark.parametrize("name", ["$(rm -rf /)", "../../etc", "Käse", "n01440764", "a" * 60, "", "\\frac{1}{", "x\ny"])
def test_a_name_that_something_could_stumble_over_is_a_number(name: str):
    assert spoken(("slab", name)) == ["slab", "000001"]


def one(path: Path, instance: Instance, size: tuple[int, int] = (40, 20)) -> LocalDataset:
    sample = LocalSample(path, None, path.name, *size, instances=(instance,))
    return LocalDataset(path.parent, ("thing",), {Split.TRAIN: (sample,), Split.VAL: (sample,)})


def test_an_image_that_its_exif_turns_lies_as_its_annotations_refer_to_it(tmp_path: Path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (20, 40), (200, 0, 0)).save(tmp_path / "photo.webp", exif=exif)
    data = one(tmp_path / "photo.webp", Instance(label=0, box=(0, 0, 10, 10)))
    write_tree(data, task_named("detection"), tmp_path / "tree", lambda: None)
    (placed,) = (tmp_path / "tree" / "images" / "train").iterdir()
    with Image.open(placed) as image:
        assert image.size == (40, 20)
        assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1


def test_an_image_of_a_kind_that_ultralytics_passes_over_becomes_one_that_it_reads(tmp_path: Path):
    Image.new("P", (40, 20)).save(tmp_path / "old.gif")
    data = one(tmp_path / "old.gif", Instance(label=0, box=(0, 0, 10, 10)))
    write_tree(data, task_named("detection"), tmp_path / "tree", lambda: None)
    assert (tmp_path / "tree" / "images" / "train" / "000000.png").is_file()


def test_an_outline_of_run_lengths_becomes_points(tmp_path: Path):
    Image.new("RGB", (40, 20)).save(tmp_path / "a.png")
    bitmap = Image.new("L", (40, 20))
    ImageDraw.Draw(bitmap).rectangle((10, 5, 29, 14), fill=255)
    drawn = compress(counts_of(bitmap, 0, 0, (40, 20)))
    data = one(tmp_path / "a.png", Instance(label=0, box=(10, 5, 20, 10), rle=drawn))
    write_tree(data, task_named("instance_segmentation"), tmp_path / "tree", lambda: None)
    line = (tmp_path / "tree" / "labels" / "train" / "000000.txt").read_text().split()
    xs, ys = ([float(word) for word in line[start::2]] for start in (1, 2))
    assert (min(xs) * 40, max(xs) * 40) == pytest.approx((10.5, 29.5))
    assert (min(ys) * 20, max(ys) * 20) == pytest.approx((5.5, 14.5))


def test_a_turned_box_that_reaches_over_the_edge_is_cut_rather_than_its_image_left_out(tmp_path: Path):
    Image.new("RGB", (40, 20)).save(tmp_path / "a.png")
    corners = (-4.0, 10.0, 10.0, -4.0, 20.0, 6.0, 6.0, 18.0)
    data = one(tmp_path / "a.png", Instance(label=0, box=(0, 0, 20, 18), corners=corners))
    write_tree(data, task_named("oriented_detection"), tmp_path / "tree", lambda: None)
    line = (tmp_path / "tree" / "labels" / "train" / "000000.txt").read_text().split()
    assert all(0 <= float(word) <= 1 for word in line[1:])


def test_a_crowd_that_nobody_told_apart_is_no_object(tmp_path: Path):
    Image.new("RGB", (40, 20)).save(tmp_path / "a.png")
    data = one(tmp_path / "a.png", Instance(label=0, box=(0, 0, 10, 10), crowd=True))
    write_tree(data, task_named("detection"), tmp_path / "tree", lambda: None)
    assert (tmp_path / "tree" / "labels" / "train" / "000000.txt").read_text() == ""
