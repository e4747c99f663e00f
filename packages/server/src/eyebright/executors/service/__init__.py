"""Runs trainers at a training service: another process, perhaps of another machine, behind HTTP.

One of ours keeps its processes by itself, and answers of them what the local executor finds out here. One of others takes a start
and says the rest to the address that came with it. While a service cannot be reached nothing is known of its runs and nothing is
given to it: its breaker opens, and one probe decides.
"""

from eyebright.executors.service.executor import ServiceExecutor
from eyebright.executors.service.line import ServiceExecutorSettings

__all__ = ["ServiceExecutor", "ServiceExecutorSettings"]
