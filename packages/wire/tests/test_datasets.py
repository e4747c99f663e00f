import pytest

from eyebright_wire.datasets import dataset_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("My photos (1).zip", "My-photos-1"),
        ("PETS.ZIP", "PETS"),
        ("pets", "pets"),
        ("v1.2", "v1.2"),
        ("ö", "dataset"),
        (".zip", "dataset"),
        ("", "dataset"),
        ("a" * 120, "a" * 100),
    ],
)
def test_a_data_set_is_named_after_its_file(file: str, name: str):
    assert dataset_name(file) == name
