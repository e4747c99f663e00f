"""A job's id as a UUID, and back, for callers who know jobs by nothing else.

The UUID is one of version 7 (RFC 9562): it begins with the same time and holds the same random digits, so both sort alike and
neither needs to be kept beside the other.
"""

import re
import uuid

_JOB = re.compile(r"job_([0-9a-f]{11})([0-9a-f]{3})([0-9a-f]{3})([0-9a-f]{6})")
_IMAGE = re.compile(r"0([0-9a-f]{11})7([0-9a-f]{3})8([0-9a-f]{3})([0-9a-f]{6})000000")


def uuid_of(job_id: str) -> str:
    """The UUID of a job that this product has named."""
    found = _JOB.fullmatch(job_id)
    assert found is not None, f"{job_id} is no id of ours"
    time, first, second, third = found.groups()
    return str(uuid.UUID(f"0{time}7{first}8{second}{third}000000"))


def job_id_of(text: str) -> str | None:
    """The job of a UUID in any of its notations, or of an id of ours; None for one that can be no job's."""
    if _JOB.fullmatch(text):
        return text
    try:
        found = _IMAGE.fullmatch(uuid.UUID(text).hex)
    except ValueError:
        return None
    return found and f"job_{''.join(found.groups())}"
