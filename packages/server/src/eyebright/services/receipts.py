"""The same key is the same order, whoever repeats it: told apart by what the order says."""

import hashlib
import json

from pydantic import BaseModel

from eyebright.errors import key_reused
from eyebright.ports.jobs import JobTransaction


def sha256_of(request: BaseModel) -> str:
    """The same for the same order, in whatever order its settings were written."""
    return hashlib.sha256(json.dumps(request.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


async def known_order(transaction: JobTransaction, source: str, key: str, body_sha256: str) -> str | None:
    """The id of the job that this key stands for. Raises KeyReused when the order differs."""
    receipt = await transaction.receipt(source, key)
    if receipt is None:
        return None
    if receipt.body_sha256 not in (body_sha256, ""):  # imports used not to note it
        raise key_reused()
    return receipt.job_id
