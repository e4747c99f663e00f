"""A way to a server on which some of what is posted is lost: half of that before it arrives, half of it as its answer."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Lossy:
    """`target` may be told later. The connection of what is lost is lost with it."""

    share: float
    port: int = 0
    target: tuple[str, int] = ("127.0.0.1", 0)
    posts: int = 0
    lost: int = 0
    _numbers: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - chances, not secrets

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def loses(self) -> bool:
        """This request, on its way or on its way back."""
        self.posts += 1
        lost = self._numbers.random() < self.share
        self.lost += lost
        return lost

    def loses_it_at_once(self) -> bool:
        return self._numbers.random() < 0.5

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            connection = _Connection(self, reader, writer, *await asyncio.open_connection(*self.target))
            await connection.pass_on()
        writer.transport.abort()


@dataclass
class _Connection:
    way: Lossy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    beyond_reader: asyncio.StreamReader
    beyond: asyncio.StreamWriter
    deaf: bool = False  # the next answer is lost

    async def pass_on(self) -> None:
        answers = asyncio.create_task(self._answers())
        try:
            await self._requests()
        finally:
            answers.cancel()
            self.beyond.transport.abort()

    async def _requests(self) -> None:
        while chunk := await self.reader.read(1 << 16):
            if chunk.startswith(b"POST ") and self.way.loses():
                if self.way.loses_it_at_once():
                    return
                self.deaf = True
            self.beyond.write(chunk)
            await self.beyond.drain()

    async def _answers(self) -> None:
        with suppress(OSError):
            while (chunk := await self.beyond_reader.read(1 << 16)) and not self.deaf:
                self.writer.write(chunk)
                await self.writer.drain()
        self.writer.transport.abort()


@contextmanager
def losing(share: float) -> Iterator[Lossy]:
    """Listens on loopback, in a thread of its own."""
    lossy, ready, over, loop = Lossy(share), threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def listen() -> None:
        async with await asyncio.start_server(lossy.connected, "127.0.0.1", 0) as server:
            lossy.port = server.sockets[0].getsockname()[1]
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(listen(),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield lossy
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
