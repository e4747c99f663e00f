"""The whole product: real processes over real databases."""

from databases import fresh_url, postgres

__all__ = ["fresh_url", "postgres"]
