"""What a request prefers of its answer (RFC 7240)."""

ASYNC = "respond-async"


def wants_async(prefer: str | None) -> bool:
    """Preferences are separated by commas and may have parameters."""
    return any(part.partition(";")[0].strip().lower() == ASYNC for part in (prefer or "").split(","))
