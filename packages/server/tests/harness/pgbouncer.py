"""A real PgBouncer on loopback that lends connections by the transaction, as Supabase's poolers do."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from databases import Postgres

from harness.ports import free_port

PROGRAM = Path("/usr/sbin/pgbouncer")
READY_SECONDS = 180
USER, PASSWORD = "caller", "sword/fish?#"
#: Fewer than a client of ours may open: they must share.
SERVER_CONNECTIONS = 2
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={postgres} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {connections}
"""
TLS = """
client_tls_sslmode = require
client_tls_key_file = {key}
client_tls_cert_file = {chain}
"""


class PgBouncer:
    """It dies with this process, however that ends."""

    def __init__(self, postgres: Postgres, certificate: trustme.LeafCert | None = None) -> None:
        """With a certificate it takes nobody without TLS."""
        self._folder = Path(tempfile.mkdtemp(prefix="eyebright-pgbouncer-"))
        self._account = _account()
        self.port = free_port()
        users = self._folder / "users"
        users.write_text(f'"{USER}" "{PASSWORD}"\n')
        told = CONFIGURATION.format(postgres=postgres.port, port=self.port, users=users, connections=SERVER_CONNECTIONS)
        if certificate:
            key, chain = self._folder / "key", self._folder / "chain"
            certificate.private_key_pem.write_to_path(key)
            certificate.cert_chain_pems[0].write_to_path(chain)
            told += TLS.format(key=key, chain=chain)
        (self._folder / "ini").write_text(told)
        for path in (self._folder, *self._folder.iterdir()):
            shutil.chown(path, self._account)
        self._process = self._start()

    def url(self, database: str, password: str = "sword%2Ffish%3F%23") -> str:
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def restart(self) -> None:
        """Every connection through it is lost."""
        self._end()
        self._process = self._start()

    def close(self) -> None:
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def _start(self) -> "subprocess.Popen[bytes]":
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [PROGRAM, self._folder / "ini"],
                stdout=log,
                stderr=log,
                user=self._account,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PgBouncer did not start: {(self._folder / 'log').read_text()}")
            time.sleep(0.02)
        return process

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True


@pytest.fixture(scope="session")
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    """One per test process, before its Postgres."""
    if not PROGRAM.exists():
        pytest.skip("no PgBouncer: Debian's package pgbouncer is not installed")
    pooler = PgBouncer(postgres)
    yield pooler
    pooler.close()


def _account() -> str:
    """PgBouncer refuses to run as root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    return "nobody"


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
