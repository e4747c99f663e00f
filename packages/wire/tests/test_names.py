import pytest
from pydantic import ValidationError

from eyebright_wire.jobs import JobRequest, PreflightRequest
from eyebright_wire.names import plain


@pytest.mark.parametrize("name", ["cats", "resnet18.a1_in1k-flowers", "google/vit-base", "7", "a" * 100])
def test_a_job_may_be_called_what_its_model_can_be_asked_for_by(name: str) -> None:
    assert JobRequest(dataset="pets", name=name).name == name


@pytest.mark.parametrize(
    "name",
    ["../../evil name@prod", "cats@3", "", ".", "..", "a/..", "a//b", "/a", "a/", "a b", "a:predict", "a?b", "a%2e",
     "cats/aliases/production", "cats/files", "a\n", "\u202ecats", "a" * 101, "a/" * 101 + "a"],
)  # fmt: skip
def test_a_name_that_no_address_can_carry_is_refused_with_one_that_would_do(name: str) -> None:
    for order in (JobRequest, PreflightRequest):
        with pytest.raises(ValidationError, match=r"no name for a job and its model; expected .* such as [A-Za-z0-9]"):
            order(dataset="pets", name=name)


def test_the_nearest_name_to_a_text_is_one() -> None:
    texts = ["My photos (1)", "../../evil name@prod", "学習", "-", "a" * 300]
    found = [plain(text, "training") for text in texts]
    assert found == ["My-photos-1", "evil-name-prod", "training", "training", "a" * 100]
    for name in found:
        assert JobRequest(dataset="pets", name=name).name == name
