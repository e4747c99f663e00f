"""A person can look at every image of a version and its labels, page by page, and at what was left out."""

import asyncio
import io
import json
import threading
import zipfile
from itertools import islice

import pytest
from harness.site import API, Site
from PIL import Image

from eyebright.services import pictures
from eyebright_wire.datasets import PictureView, Split


def drawing(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").rotate(37 * number).resize((64, 48)).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def street(broken: bool = False) -> bytes:
    """Seven images of YOLO, five to train and two to validate on: each has a car, every second a red-hot box further left."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.yaml", "names: [car, van]\n")
        for number in range(7):
            split = "train" if number < 5 else "val"
            archive.writestr(f"images/{split}/{number}.png", drawing(number))
            van = "1 0.25 0.5 0.25 0.5\n" if number % 2 else ""
            archive.writestr(f"labels/{split}/{number}.txt", f"0 0.75 0.5 0.25 0.5\n{van}")
        if broken:
            archive.writestr("images/train/x.png", b"no picture")
    return buffer.getvalue()


async def brought(site: Site, content: bytes, query: str = "") -> str:
    headers = {"Content-Type": "application/zip"}
    answer = await site.post(f"{API}/datasets?name=street{query}", content=content, headers=headers)
    assert answer.status_code == 201, answer.text
    return f"{API}/dataset-versions/{answer.json()['id']}"


async def pages(site: Site, version: str, query: str = "") -> list[PictureView]:
    """All of them, two by two."""
    found: list[PictureView] = []
    after = -1
    while True:
        answer = await site.get(f"{version}/pictures?limit=2&after={after}{query}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += map(PictureView.model_validate, page["items"])
        if page["next"] is None:
            return found
        after = page["next"]


async def test_every_image_is_on_one_page(site):
    found = await pages(site, await brought(site, street()))
    assert [picture.number for picture in found] == list(range(7))
    assert [picture.split for picture in found] == [Split.TRAIN] * 5 + [Split.VAL] * 2
    assert {len(picture.objects) for picture in found} == {1, 2}
    car = found[0].objects[0]
    assert (car.class_name, car.box) == ("car", (40.0, 12.0, 16.0, 24.0))


@pytest.mark.parametrize(
    ("query", "count"), [("&split=val", 2), ("&class_name=van", 3), ("&split=val&class_name=van", 1)]
)
async def test_images_are_chosen_by_split_and_class(site, query: str, count: int):
    assert len(await pages(site, await brought(site, street()), query)) == count


async def test_a_class_that_is_not_there_is_refused_with_the_nearest(site):
    answer = await site.get(f"{await brought(site, street())}/pictures?class_name=cars")
    assert answer.status_code == 422
    assert "Did you mean 'car'" in answer.json()["detail"]


async def test_a_thumbnail_shows_the_labels_unless_told_otherwise(site):
    version = await brought(site, street())
    plain, labelled = [
        Image.open(io.BytesIO((await site.get(f"{version}/pictures/0/thumbnail?side=64&labels={labels}")).content))
        for labels in ("false", "true")
    ]
    assert plain.size == labelled.size == (64, 48)
    assert plain.tobytes() != labelled.tobytes()
    edge, far = (40, 24), (10, 40)  # the left edge of the car's box, and where nothing is
    assert distance(plain.getpixel(edge), labelled.getpixel(edge)) > 60
    assert distance(plain.getpixel(far), labelled.getpixel(far)) < 30


def distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


async def test_a_thumbnail_may_be_kept_for_ever(site):
    answer = await site.get(f"{await brought(site, street())}/pictures/0/thumbnail")
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("number", [7, -1, 10**12])
async def test_an_image_that_is_not_there_is_not_found(site, number: int):
    answer = await site.get(f"{await brought(site, street())}/pictures/{number}/thumbnail")
    assert answer.status_code == 404
    assert "it has 7, numbered from 0" in answer.json()["detail"]


async def test_a_sheet_holds_as_many_as_asked_for(site):
    version = await brought(site, street())
    small, large = [
        Image.open(io.BytesIO((await site.get(f"{version}/sheet?limit={limit}&columns=2&side=64")).content))
        for limit in (2, 6)
    ]
    assert small.width == large.width
    assert large.height > 2 * small.height


async def test_a_sheet_of_a_split_without_images_is_not_found(site):
    answer = await site.get(f"{await brought(site, street())}/sheet?split=test")
    assert answer.status_code == 404


async def test_a_sheet_of_a_split_is_spread_over_all_of_it(site, monkeypatch):
    monkeypatch.setattr(pictures, "_BATCH", 2)  # so that five images take three looks
    shown: list[int] = []
    monkeypatch.setattr(
        pictures, "sheet", lambda found, *_, **__: shown.append([p.sample.source for p in found]) or b""
    )
    version = await brought(site, street())
    for limit in (5, 3):
        assert (await site.get(f"{version}/sheet?split=train&limit={limit}")).status_code == 200
    assert shown == [
        [f"images/train/{number}.png" for number in range(5) if number in chosen]
        for chosen in ({0, 1, 2, 3, 4}, {0, 1, 3})
    ]


async def test_a_sheet_that_would_fill_the_memory_is_refused(site):
    answer = await site.get(f"{await brought(site, street())}/sheet?limit=400&side=512")
    assert answer.status_code == 422
    assert "105 megapixels, and 32 can be drawn" in answer.json()["detail"]


async def test_pictures_are_drawn_two_at_a_time_and_not_for_a_crowd(site, monkeypatch):
    version = await brought(site, street())
    go, drawing_now, most = threading.Event(), [], []

    def slow(*_: object, **__: object) -> bytes:
        drawing_now.append(1)
        most.append(len(drawing_now))
        go.wait(120)
        drawing_now.pop()
        return b"picture"

    monkeypatch.setattr(pictures, "thumbnail", slow)
    asked = [asyncio.create_task(site.get(f"{version}/pictures/0/thumbnail")) for _ in range(70)]
    refused = [await answer for answer in islice(asyncio.as_completed(asked), 6)]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(503, "unavailable")}
    while len(drawing_now) < 2:  # noqa: ASYNC110  threads tell nobody
        await asyncio.sleep(0.01)
    go.set()
    answers = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert (answers.count(200), answers.count(503), max(most)) == (64, 6, 2)


async def test_a_long_sheet_leaves_a_place_for_thumbnails(site, monkeypatch):
    version = await brought(site, street())
    go = threading.Event()
    monkeypatch.setattr(pictures, "sheet", lambda *_, **__: str(go.wait(120)).encode())
    sheets = [asyncio.create_task(site.get(f"{version}/sheet?limit=2")) for _ in range(3)]
    await asyncio.sleep(0)
    assert (await site.get(f"{version}/pictures/0/thumbnail")).status_code == 200
    assert not any(sheet.done() for sheet in sheets)
    go.set()
    assert [answer.text for answer in await asyncio.gather(*sheets)] == ["True"] * 3


async def test_what_was_left_out_is_told_line_by_line(site):
    version = await brought(site, street(broken=True), "&leave_out_broken=true")
    lines = (await site.get(f"{version}/changes")).text.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"code": "not_an_image", "source": "images/train/x.png", "detail": "it is text"}
    ]


async def test_two_sources_of_one_version_each_have_their_own_list(site):
    version = await brought(site, street())
    headers = {"Content-Type": "application/zip"}
    query = "name=torn&leave_out_broken=true"
    torn = await site.post(f"{API}/datasets?{query}", content=street(broken=True), headers=headers)
    assert version.endswith(torn.json()["id"])
    assert (await site.get(f"{version}/changes?dataset=street")).text == ""
    assert "images/train/x.png" in (await site.get(f"{version}/changes?dataset=torn")).text
    assert (await site.get(f"{version}/changes?dataset=nowhere")).status_code == 404


async def test_a_version_of_everything_has_no_changes(site):
    answer = await site.get(f"{await brought(site, street())}/changes")
    assert (answer.status_code, answer.text) == (200, "")
