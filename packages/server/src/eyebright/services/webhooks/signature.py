"""Secrets and signatures of Standard Webhooks 1.0."""

import base64
from collections.abc import Iterable
from datetime import UTC, datetime

from standardwebhooks import Webhook

from eyebright.ports.clock import Clock


def new_secret(clock: Clock) -> str:
    """`whsec_…` with 256 random bits."""
    return "whsec_" + base64.b64encode(clock.new_token().encode()).decode()


def signed(delivery_id: str, at_ms: int, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """The headers that say who sends what, when; signed with each secret, so that a rotation breaks no receiver. Without a
    secret nobody could verify them: then the id alone."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    signatures = [Webhook(secret).sign(delivery_id, at, body.decode()) for secret in secrets]
    if not signatures:
        return {"webhook-id": delivery_id}
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(at_ms // 1000),
        "webhook-signature": " ".join(signatures),
    }
