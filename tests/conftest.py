"""The whole product: real processes over real databases."""

import os

from databases import fresh_url, postgres, templates
from harness.callers import callers
from harness.ceph import ceph
from harness.pgbouncer import pgbouncer
from harness.rabbitmq import broker_url, rabbitmq

__all__ = ["broker_url", "callers", "ceph", "fresh_url", "pgbouncer", "postgres", "rabbitmq", "templates"]

#: A server that a test starts in this folder takes nothing from a file that somebody keeps there.
os.environ["EYEBRIGHT_ENV_FILE"] = os.devnull
