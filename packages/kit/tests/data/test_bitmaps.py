"""Small pictures become run lengths over the whole image and come back."""

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from eyebright_kit.data.bitmaps import bitmap_of, bitmap_of_rows, counts_of, row_counts_of
from eyebright_kit.data.rle import checked

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def bitmaps(draw: st.DrawFn) -> Image.Image:
    width, height = draw(SIZES)
    pixels = draw(st.lists(st.sampled_from((0, 255)), min_size=width * height, max_size=width * height))
    return Image.frombytes("L", (width, height), bytes(pixels))


@given(bitmaps(), st.integers(-10, 10), st.integers(-10, 10), SIZES)
def test_a_picture_lies_where_it_was_put_and_is_cut_at_the_edge(
    bitmap: Image.Image, left: int, top: int, size: tuple[int, int]
) -> None:
    image = Image.new("L", size)
    image.paste(bitmap, (left, top))
    counts = counts_of(bitmap, left, top, size)
    checked(counts, *size)
    assert bitmap_of(counts, size).tobytes() == image.tobytes()


@given(bitmaps())
def test_rows_come_back_as_they_were(bitmap: Image.Image) -> None:
    assert bitmap_of_rows(row_counts_of(bitmap), bitmap.size).tobytes() == bitmap.tobytes()


def test_runs_that_touch_over_the_end_of_a_column_are_one() -> None:
    """As COCO has it: lengths of nought only at the beginning."""
    assert counts_of(Image.new("L", (2, 3), 255), 1, 0, (4, 3)) == [3, 6, 3]
    assert counts_of(Image.new("L", (2, 3), 255), 0, 0, (2, 3)) == [0, 6]
    assert counts_of(Image.new("L", (2, 3)), 0, 0, (2, 3)) == [6]
