"""When a delivery is tried again: ten tries over some 75 hours, later if the receiver asks for it."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Waits between tries, in seconds, as Standard Webhooks 1.0 proposes them: 5 s, 5 min, 30 min, then hours, 75.6 h in all.
WAITS: tuple[float, ...] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: A wait is longer by up to this share, so that what failed together does not come back together.
JITTER = 0.1
#: A receiver may put a delivery off for so long at a time.
LONGEST_RETRY_AFTER_SECONDS = 86_400.0


def waits(first: Sequence[float] = ()) -> tuple[float, ...]:
    """The whole schedule of a dialect that has first rungs of its own, in place of the 5 s."""
    return (*first, *WAITS[1:]) if first else WAITS


def next_wait_seconds(schedule: Sequence[float], tries: int, seed: str, asked: float | None = None) -> float | None:
    """How long to wait after so many failed tries; None: that was the last one.

    The same seed has the same jitter. `asked`: what the receiver said in Retry-After, in seconds.
    """
    if tries > len(schedule):
        return None
    share = zlib.crc32(f"{seed}/{tries}".encode()) / 2**32
    wait = schedule[tries - 1] * (1 + JITTER * share)
    return max(wait, min(asked or 0.0, LONGEST_RETRY_AFTER_SECONDS))


def retry_after_seconds(value: str | None, now_ms: int) -> float | None:
    """What a Retry-After header asks for: seconds, or a date. None for what is neither, or is past."""
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdecimal():
        return float(value.strip()[:12])
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # a year, or a distance from UTC, of twenty digits
        return None
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now_ms / 1000
    return seconds if seconds > 0 else None


def moment(at_ms: int) -> str:
    """RFC 3339, in UTC and to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
