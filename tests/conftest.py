"""The whole product: real processes over real databases."""

from databases import fresh_url, postgres
from harness.rabbitmq import broker_url, rabbitmq

__all__ = ["broker_url", "fresh_url", "postgres", "rabbitmq"]
