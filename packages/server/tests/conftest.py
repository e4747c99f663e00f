"""Fixtures for every test of the server."""

from databases import database, fresh_url, kind, postgres

__all__ = ["database", "fresh_url", "kind", "postgres"]
