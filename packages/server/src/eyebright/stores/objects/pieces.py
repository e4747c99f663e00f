"""Blocks of any size as pieces of one: `async for piece in pieces(blocks, 8 << 20)`."""

from collections.abc import AsyncIterator


async def pieces(blocks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Each has `size` bytes, but the last, which may have fewer; of nothing there is one empty piece."""
    held = bytearray()
    async for block in blocks:
        held += block
        while len(held) > size:
            yield bytes(held[:size])
            del held[:size]
    yield bytes(held)
