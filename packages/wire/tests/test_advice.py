from typing import Any

import pytest

from eyebright_wire.advice import memory_ran_out


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"batch": 8, "imgsz": 640}, "with batch=8 at imgsz=640; set batch=4, or a smaller imgsz or model"),
        ({"batch": 1, "resolution": 512}, "with batch=1 at resolution=512; take a smaller resolution or model"),
        ({"batch": -1}, "; take a smaller model"),
        ({}, "; take a smaller model"),
    ],
)
def test_the_way_out_of_too_little_memory_names_the_numbers(config: dict[str, Any], words: str):
    assert memory_ran_out(config).removeprefix("memory ran out").strip() == words
