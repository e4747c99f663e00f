"""Fixtures for every test of the server."""

import os

from databases import database, fresh_url, kind, postgres, templates
from harness.callers import callers
from harness.ceph import ceph
from harness.pgbouncer import pgbouncer
from harness.rabbitmq import broker_url, rabbitmq

from eyebright.core import scope

__all__ = [
    "broker_url",
    "callers",
    "ceph",
    "database",
    "fresh_url",
    "kind",
    "pgbouncer",
    "postgres",
    "rabbitmq",
    "templates",
]

#: A server that a test starts in this folder takes nothing from a file that somebody keeps there.
os.environ["EYEBRIGHT_ENV_FILE"] = os.devnull

# Tests speak for the one project that is always there, unless they say otherwise. What a server does without having entered a
# scope shows where they begin with none.
scope._entered.set(scope.Scope(scope.DEFAULT_PROJECT))
