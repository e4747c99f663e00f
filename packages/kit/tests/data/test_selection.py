"""Which images a plan names."""

import pytest

from eyebright_kit.data.selection import naming


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("val/1.jpg", True),
        ("a/b/2.png", True),
        ("a[1].jpg", True),
        ("a1.jpg", True),
        ("Val/1.jpg", False),
        ("val/1.jpg.txt", False),
        ("b/a/2.png", False),
    ],
)
def test_a_name_stands_for_itself_and_a_pattern_for_what_fits(source: str, named: bool) -> None:
    assert naming(("val/1.jpg", "a/*.png", "a[1].jpg"))(source) is named


def test_nothing_named_is_no_image() -> None:
    assert not naming(())("a.jpg")


@pytest.mark.timeout(10)
def test_a_list_of_a_hundred_thousand_names_is_looked_up() -> None:
    """Compared one by one, such a list costs hours."""
    named = naming(tuple(f"val/{number}.jpg" for number in range(100_000)))
    assert sum(named(f"val/{number}.jpg") for number in range(0, 200_000, 2)) == 50_000
