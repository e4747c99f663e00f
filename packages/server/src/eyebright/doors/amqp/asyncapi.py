"""The AsyncAPI 3.0 document of the queue: what is received, what is answered, what is passed on."""

from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from eyebright.settings import AmqpSettings
from eyebright_wire.queue import MODEL_TRAINING, QueueAnswer, QueueMessage, QueueOutcome

_REF = "#/components/schemas/{model}"
EXAMPLE: dict[str, Any] = {
    "schema_version": 1,
    "task_id": "b3c1…",
    "type": MODEL_TRAINING,
    "data": {
        "style_id": 7,
        "images": ["gs://bucket/styles/7/1.png", {"url": "https://images.example/2.png", "caption": "a fox at night"}],
        "parameters": {"num_epochs": 200, "learning_rate": 1e-4, "lora_rank": 8, "lora_alpha": 32},
    },
}
ANSWER = QueueAnswer(outcome=QueueOutcome.TAKEN, task_id="b3c1…", job_id="job_0192f3…")


def document() -> dict[str, Any]:
    """As JSON. Opens nothing and needs no broker."""
    queue = AmqpSettings().queue
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Eyebright's message queue",
            "version": version("eyebright"),
            "description": "Orders to train. A message is acknowledged once what became of it is committed; the same "
            "`task_id` is the same job, however often it comes.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "orders": _queue(queue, "Orders, in a durable queue", "order"),
            "answers": {
                "address": None,
                "description": "The queue that the order's `reply_to` names",
                "messages": {"answer": {"$ref": "#/components/messages/answer"}},
            },
            "parked": _queue(f"{queue}.dead", "Messages that were put aside, as they came", "parked"),
        },
        "operations": {
            "takeOrder": {
                "action": "receive",
                "channel": {"$ref": "#/channels/orders"},
                "messages": [{"$ref": "#/channels/orders/messages/order"}],
                "reply": {
                    "address": {"location": "$message.header#/replyTo"},
                    "channel": {"$ref": "#/channels/answers"},
                    "messages": [{"$ref": "#/channels/answers/messages/answer"}],
                },
                "bindings": {"amqp": {"ack": True, "bindingVersion": "0.3.0"}},
            },
            "passOnParked": {
                "action": "send",
                "channel": {"$ref": "#/channels/parked"},
                "messages": [{"$ref": "#/channels/parked/messages/parked"}],
            },
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _queue(name: str, description: str, message: str) -> dict[str, Any]:
    binding = {"is": "queue", "queue": {"name": name, "durable": True, "autoDelete": False}, "bindingVersion": "0.3.0"}
    return {
        "address": name,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {"amqp": binding},
    }


def _messages() -> dict[str, Any]:
    texts = {"type": "string"}
    headers = {f"x-eyebright-{name}": texts for name in ("reason", "message", "parked-id")}
    return {
        "order": {
            "title": "An order to train",
            "payload": {"$ref": _REF.format(model="QueueMessage")},
            "correlationId": {"location": "$message.header#/correlationId"},
            "examples": [{"payload": EXAMPLE}],
        },
        "answer": {
            "title": "What became of an order",
            "payload": {"$ref": _REF.format(model="QueueAnswer")},
            "correlationId": {"location": "$message.header#/correlationId"},
            "examples": [{"payload": ANSWER.model_dump(mode="json")}],
        },
        "parked": {
            "title": "A message that was put aside",
            "contentType": "application/octet-stream",
            "headers": {"type": "object", "properties": headers},
            "payload": {"type": "string", "format": "binary"},
        },
    }


def _schemas() -> dict[str, Any]:
    models = [(QueueMessage, "validation"), (QueueAnswer, "serialization")]
    _, found = models_json_schema(models, ref_template=_REF)
    return found["$defs"]
