"""A real RabbitMQ on loopback, in a folder of its own, that can be killed and started again over the same data.

The fixture `rabbitmq` is one broker per test process; `broker_url` is an empty place within it for one test.
"""

import asyncio
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import aio_pika
import pytest

from harness.ports import free_ports

#: Debian's package puts wrappers on PATH that insist on the system's own broker; these don't.
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
READY_SECONDS = 300
#: RabbitMQ notes on disk by then that a quorum queue was declared.
SETTLED_SECONDS = 4.0
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
CONFIGURATION = """
listeners.tcp.default = 127.0.0.1:{port}
disk_free_limit.absolute = 16MB
vm_memory_high_watermark.absolute = 1GB
"""
#: Each run of rabbitmqctl takes a second or more, so it makes several.
MAKE_VHOSTS = """
[{rabbit_vhost:add(Name, <<"guest">>),
  rabbit_auth_backend_internal:set_permissions(<<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"guest">>)}
 || Name <- [%s]].
"""

T = TypeVar("T")


class RabbitMQ:
    """A broker and its epmd as children of this process, which they don't outlive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._vhosts: list[str] = []
        self._broker: subprocess.Popen[bytes] | None = None
        self._starter = ThreadPoolExecutor(1)  # children die with the very thread that started them
        self.port, self._peers, self._names = free_ports(3)
        (folder / "plugins").write_text("[].")
        (folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port))
        # Ours runs in the foreground, so that it can be ended by its pid: one that the broker starts stays behind.
        self._epmd = self._child("epmd", "-address", "127.0.0.1", "-port", str(self._names))
        self.start()

    def url(self, vhost: str = "%2F") -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    def start(self) -> None:
        """Again, over the data that is there. Returns once it answers."""
        assert self._broker is None
        self._broker = self._child(str(PROGRAMS / "rabbitmq-server"))
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self._broker.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ did not start: {(self._folder / 'output').read_text(errors='replace')}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut would. Of a quorum queue that is not `SETTLED_SECONDS` old RabbitMQ 3.10 forgets the messages then."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """There, and silent: as behind a network that lost it."""
        assert self._broker is not None
        self._broker.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._broker.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """For good: nobody will want the data again."""
        self._end(signal.SIGKILL)
        self._epmd.kill()
        self._epmd.wait(30)
        self._starter.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def control(self, *arguments: str) -> str:
        """`rabbitmqctl`, which takes seconds."""
        command = [PROGRAMS / "rabbitmqctl", "--quiet", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True).stdout

    def vhost(self) -> str:
        """A new one, with no queue in it."""
        if not self._vhosts:
            self._vhosts = [f"test{next(self._numbers)}" for _ in range(8)]
            self.control("eval", MAKE_VHOSTS % ", ".join(f'<<"{name}">>' for name in self._vhosts))
        return self._vhosts.pop()

    def _child(self, *command: str) -> "subprocess.Popen[bytes]":
        return self._starter.submit(self._started, command).result()

    def _started(self, command: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        with (self._folder / "output").open("ab") as output:
            return subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=output, preexec_fn=_die_with_parent
            )

    def _end(self, how: signal.Signals) -> None:
        if self._broker is not None:
            self._broker.send_signal(how)
            self._broker.wait(60)
            self._broker = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(PROTOCOL_HEADER)
                return bool(connection.recv(8))
        except OSError:
            return False

    @property
    def _environment(self) -> dict[str, str]:
        # One scheduler that does not spin: a broker for tests must not take the cores of what is tested.
        erlang = "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))},
            "HOME": str(self._folder),  # of the cookie that nodes know each other by
            "RUNNING_UNDER_SYSTEMD": "1",  # no shell around it: the process that we started is the broker
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names),
            "ERL_CRASH_DUMP": str(self._folder / "crash"),
            "RABBITMQ_NODENAME": f"eyebright{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._peers),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": erlang,
        }


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """One broker per test process. A test that kills it starts it again."""
    if not (PROGRAMS / "rabbitmq-server").exists():
        pytest.skip("no RabbitMQ: Debian's package rabbitmq-server is not installed")
    broker = RabbitMQ(Path(tempfile.mkdtemp(prefix="eyebright-mq-")))
    yield broker
    broker.close()


@pytest.fixture
def broker_url(rabbitmq: RabbitMQ) -> str:
    """The address of an empty virtual host of its own."""
    return rabbitmq.url(rabbitmq.vhost())


async def on_channel(url: str, work: Callable[[Any], Awaitable[T]]) -> T:
    """Do something on a channel with publisher confirms, as a caller or an operator would."""
    async with await aio_pika.connect(url) as connection:
        return await work(await connection.channel())


async def publish(url: str, *bodies: bytes, queue: str = "model_training", **properties: Any) -> None:
    """Returns once the broker has confirmed every message."""

    async def send(channel: Any) -> None:
        for body in bodies:
            message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, **properties)
            await channel.default_exchange.publish(message, queue)

    await on_channel(url, send)


async def waiting(url: str, queue: str = "model_training") -> int:
    """Messages that are ready: neither acknowledged nor in a consumer's hands. -1: there is no such queue."""

    async def look(channel: Any) -> int:
        try:
            return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return -1

    return await on_channel(url, look)


async def until_declared(url: str, queue: str = "model_training", within_seconds: float = 120) -> None:
    """A consumer has made it. Raises TimeoutError."""
    async with asyncio.timeout(within_seconds):
        while True:
            if await waiting(url, queue) >= 0:
                return
            await asyncio.sleep(0.05)


async def take(url: str, queue: str, within_seconds: float = 120) -> Any:
    """The next message of a queue, acknowledged. Raises TimeoutError."""

    async def get(channel: Any) -> Any:
        source = await channel.get_queue(queue, ensure=False)
        while True:
            if found := await source.get(fail=False):
                await found.ack()
                return found
            await asyncio.sleep(0.05)

    async with asyncio.timeout(within_seconds):
        return await on_channel(url, get)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: even a killed test run leaves no broker behind
