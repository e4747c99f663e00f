"""Work for the next steps, done in the background while the device computes on this one."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
S = TypeVar("S")

_AHEAD = 2  # batches prepared while one is computed on


def prefetched(prepare: Callable[[S], T], steps: Iterable[S]) -> Generator[T, None, None]:
    """What `prepare` makes of each step, in order, by one thread. Closing the iterator ends that."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="prepare")
    ahead: deque[Future[T]] = deque()
    try:
        for step in steps:
            ahead.append(pool.submit(prepare, step))
            if len(ahead) > _AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
