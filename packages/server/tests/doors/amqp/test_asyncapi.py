"""The document of the queue is true: what it shows is taken, and what it names is there."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from eyebright.doors.amqp.asyncapi import document
from eyebright.services.messages import opened, order_of
from eyebright.settings import AmqpSettings
from eyebright_wire.queue import MODEL_TRAINING
from eyebright_wire.resources import DatasetImport

PAGE = Path(__file__).parents[5] / "docs/reference/asyncapi.json"


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        here = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return here + [found for value in part.values() for found in references(value)]
    return [found for value in part for found in references(value)] if isinstance(part, list) else []


def at(root: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        root = root[step]
    return root


def test_the_page_is_what_the_code_says():
    assert json.loads(PAGE.read_text()) == document()


def test_every_reference_leads_somewhere():
    found = references(document())
    assert found
    for reference in found:
        assert at(document(), reference)


def test_it_names_the_queue_of_the_settings():
    queue = AmqpSettings().queue
    assert document()["channels"]["orders"]["address"] == queue == MODEL_TRAINING
    assert document()["channels"]["parked"]["address"] == f"{queue}.dead"


@pytest.mark.parametrize("message", ["order", "answer"])
def test_the_examples_fit_their_schemas(message: str):
    root = document()
    found = root["components"]["messages"][message]
    schema = {**at(root, found["payload"]["$ref"]), "components": root["components"]}
    for example in found["examples"]:
        jsonschema.Draft202012Validator(schema).validate(example["payload"])


def test_the_example_of_an_order_is_taken():
    body = json.dumps(document()["components"]["messages"]["order"]["examples"][0]["payload"]).encode()
    order = order_of(opened(body, len(body)))
    assert isinstance(order, DatasetImport)
