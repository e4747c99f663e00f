"""The message of the Training Server's callers, word for word, and what it orders."""

import json
from typing import Any

import pytest

from eyebright.errors import ConfigInvalid
from eyebright.services.messages import opened, order_of
from eyebright_wire.jobs import JobRequest, PreflightRequest
from eyebright_wire.resources import DatasetImport, ImageSource

LABELS = {"task_id": "b3c1", "style_id": "7"}


def message(**data: Any) -> bytes:
    return json.dumps({"task_id": "b3c1", "type": "model_training", "data": {"style_id": 7, **data}}).encode()


def ordered(**data: Any) -> DatasetImport | JobRequest:
    body = message(**data)
    return order_of(opened(body, len(body)))


def test_images_are_imported_and_trained_on_under_the_callers_names():
    parameters = {"num_epochs": 200, "learning_rate": 1e-4, "lora_rank": 8, "lora_alpha": 32, "batch_size": 1}
    addresses = ["gs://bucket/1.png", {"uri": "s3://bucket/2.png", "caption": "a fox"}, {"path": "https://x.example/3"}]
    assert ordered(images=addresses, parameters=parameters) == DatasetImport(
        name="style-7",
        images=(
            ImageSource(url="gs://bucket/1.png"),
            ImageSource(url="s3://bucket/2.png", caption="a fox"),
            ImageSource(url="https://x.example/3"),
        ),
        labels=LABELS,
        train=PreflightRequest(
            name="style-7",
            task="lora",
            config={"epochs": 200, "learning_rate": 1e-4, "rank": 8, "alpha": 32, "batch": 1, "trigger": "style-7"},
            labels=LABELS,
        ),
    )


@pytest.mark.parametrize("name", ["dataset", "dataset_id", "dataset_version"])
def test_a_data_set_is_trained_on_as_it_is(name: str):
    order = ordered(**{name: "foxes"}, parameters={"model": "tiny", "trigger_word": "sks"})
    config = {"trigger": "sks"}
    assert order == JobRequest(dataset="foxes", name="style-7", task="lora", model="tiny", config=config, labels=LABELS)


def test_parameters_of_another_task_keep_their_names():
    order = ordered(dataset="pets", task="classification", parameters={"batch_size": 4})
    assert order.config == {"batch_size": 4}


def test_two_names_of_one_setting_that_agree_are_one():
    assert ordered(dataset="foxes", parameters={"epochs": 5, "num_epochs": 5}).config == {"epochs": 5}


def test_a_number_and_its_text_are_the_same_name():
    order = json.loads(message(dataset="foxes"))
    texts = json.dumps({**order, "data": {**order["data"], "style_id": "7"}}).encode()
    assert opened(texts, len(texts)).task == opened(message(), len(message())).task


def test_a_model_that_is_no_text_is_refused():
    with pytest.raises(ConfigInvalid, match="model"):
        ordered(dataset="foxes", parameters={"model": 5})
