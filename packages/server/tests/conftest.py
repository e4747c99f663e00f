"""Fixtures for every test of the server."""

from databases import database, fresh_url, kind, postgres
from harness.rabbitmq import broker_url, rabbitmq

__all__ = ["broker_url", "database", "fresh_url", "kind", "postgres", "rabbitmq"]
