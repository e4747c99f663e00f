"""A real S3 on loopback: Ceph's radosgw over an object store in memory. It checks signatures, and how long they hold.

The fixture `ceph` is one per test process; up in about 15 s.
"""

import ctypes
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from harness.ports import free_ports

PROGRAMS = ("radosgw", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool", "radosgw-admin")
READY_SECONDS = 180
ACCESS_KEY = SECRET_KEY = "of-the-operator"  # as `give_credentials` sets them: boto3 keeps what it finds first
CONFIGURATION = """
[global]
fsid = {cluster}
mon_host = {monitor}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
mon_max_pg_per_osd = 1000
osd_objectstore = memstore
memstore_device_bytes = 4294967296
run_dir = {folder}
log_file = {folder}/$name.log
admin_socket = {folder}/$name.asok
pid_file = {folder}/$name.pid
mon_data = {folder}/mon
osd_data = {folder}/osd
crash_dir = {folder}
setuser_match_path = /nowhere
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_enable_ops_log = false
keyring = {folder}/rgw.keyring
[client.admin]
keyring = {folder}/admin.keyring
"""


class Ceph:
    """Its programs are children of this process, which they don't outlive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[subprocess.Popen[bytes]] = []
        self._starter = ThreadPoolExecutor(1)  # children die with the very thread that started them
        port, first, second = free_ports(3)
        self.endpoint = f"http://127.0.0.1:{port}"
        self._monitor = f"[v2:127.0.0.1:{first},v1:127.0.0.1:{second}]"
        self._cluster = str(uuid.uuid4())
        (folder / "ceph.conf").write_text(
            CONFIGURATION.format(folder=folder, port=port, monitor=self._monitor, cluster=self._cluster)
        )
        for name in ("mon", "osd"):
            (folder / name).mkdir()
        self._raise_monitor()
        self._raise_storage()
        self._raise_gateway()

    @property
    def keys(self) -> dict[str, str]:
        """Of a user who may do everything."""
        return {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}

    def restart_gateway(self) -> None:
        """Killed, and raised again: what was under way is lost, what was stored is not."""
        gateway = self._children.pop()
        gateway.kill()
        gateway.wait(30)
        self._stand_gateway()

    def add_user(self, name: str, key: str) -> None:
        """One that may do nothing yet to what others have. The key is the secret, too."""
        self._run(
            *("radosgw-admin", "-n", "client.rgw", "user", "create", f"--uid={name}", f"--display-name={name}"),
            *(f"--access-key={key}", f"--secret-key={key}"),
        )

    def close(self) -> None:
        for child in reversed(self._children):
            child.kill()
            child.wait(30)
        self._starter.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _raise_monitor(self) -> None:
        keys, admin, map_ = (str(self._folder / name) for name in ("mon.keyring", "admin.keyring", "monmap"))
        everything = [part for who in ("mon", "osd", "mgr") for part in ("--cap", who, "allow *")]
        self._run("ceph-authtool", "--create-keyring", keys, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self._run("ceph-authtool", "--create-keyring", admin, "--gen-key", "-n", "client.admin", *everything)
        self._run("ceph-authtool", keys, "--import-keyring", admin)
        self._run("monmaptool", "--create", "--addv", "a", self._monitor, "--fsid", self._cluster, map_)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", map_, "--keyring", keys)
        self._stay("ceph-mon", "-f", "-i", "a")

    def _raise_storage(self) -> None:
        caps = ("mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *")
        disk = str(uuid.uuid4())
        self._run("ceph", "osd", "new", disk)
        self._run("ceph", "auth", "get-or-create", "osd.0", *caps, "-o", str(self._folder / "osd" / "keyring"))
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._stay("ceph-osd", "-f", "-i", "0")

    def _raise_gateway(self) -> None:
        caps = ("mon", "allow rw", "osd", "allow rwx", "mgr", "allow rw")
        self._run("ceph", "auth", "get-or-create", "client.rgw", *caps, "-o", str(self._folder / "rgw.keyring"))
        # A small disk that is nearly full is none of the tests' concern: nothing lies on it.
        for which, share in (("full", "0.99"), ("backfillfull", "0.98"), ("nearfull", "0.97")):
            self._run("ceph", "osd", f"set-{which}-ratio", share)
        self._stand_gateway()
        self.add_user("operator", ACCESS_KEY)

    def _stand_gateway(self) -> None:
        gateway = self._stay("radosgw", "-f", "-n", "client.rgw")
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if gateway.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"radosgw did not start: {self._output.read_text(errors='replace')}")
            time.sleep(0.1)

    @property
    def _output(self) -> Path:
        return self._folder / "output"

    def _answers(self) -> bool:
        try:
            return httpx.get(self.endpoint, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _run(self, *command: str) -> None:
        with self._output.open("ab") as output:
            done = subprocess.run(
                self._configured(command), stdout=output, stderr=output, timeout=READY_SECONDS, check=False
            )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {self._output.read_text(errors='replace')}")

    def _stay(self, *command: str) -> "subprocess.Popen[bytes]":
        child = self._starter.submit(self._started, command).result()
        self._children.append(child)
        return child

    def _started(self, command: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        with self._output.open("ab") as output:
            return subprocess.Popen(
                self._configured(command), stdout=output, stderr=output, preexec_fn=_die_with_parent
            )

    def _configured(self, command: tuple[str, ...]) -> list[str]:
        configured = [] if command[0] in ("ceph-authtool", "monmaptool") else ["-c", str(self._folder / "ceph.conf")]
        return [command[0], *configured, *command[1:]]


@pytest.fixture(scope="session")
def ceph() -> Iterator[Ceph]:
    """One per test process."""
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"no Ceph: Debian's packages radosgw, ceph-mon, ceph-osd, ceph-common lack {', '.join(missing)}")
    cluster = Ceph(Path(tempfile.mkdtemp(prefix="eyebright-ceph-")))
    yield cluster
    cluster.close()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
