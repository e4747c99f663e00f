"""A DNS server on loopback whose names change their minds, and a look-up that asks it instead of the machine's own."""

import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, Self


class NameServer:
    """Answers A records over UDP: `book[name]` are the answers to its first, second, … question; the last one is repeated."""

    def __init__(self) -> None:
        self.book: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.place: tuple[str, int] = self._socket.getsockname()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.place)
        self._thread.join()
        self._socket.close()

    def getaddrinfo(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """In place of socket.getaddrinfo: names of the book are asked for here, everything else as ever."""

        def look_up(host: Any, port: Any, *args: Any, **options: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if name not in self.book or options.get("flags", 0) & socket.AI_NUMERICHOST:
                return real(host, port, *args, **options)
            return [entry for address in self._ask(name) for entry in real(address, port, *args, **options)]

        return look_up

    def _ask(self, name: str) -> list[str]:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        question = labels + b"\0" + struct.pack(">HH", 1, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(60)
            line.sendto(struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question, self.place)
            answer = line.recv(512)
        count, start = struct.unpack(">H", answer[6:8])[0], 12 + len(question)
        return [socket.inet_ntoa(answer[start + 16 * n + 12 : start + 16 * n + 16]) for n in range(count)]

    def _serve(self) -> None:
        while True:
            asked, whom = self._socket.recvfrom(512)
            if not asked:
                return
            self._socket.sendto(self._answer(asked), whom)

    def _answer(self, asked: bytes) -> bytes:
        name = _name(asked[12:])
        self.asked.append(name)
        answers = self.book[name]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        head = asked[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
        # A pointer to the name in the question, A, IN, no time to live, four bytes.
        records = (struct.pack(">HHHIH", 0xC00C, 1, 1, 0, 4) + socket.inet_aton(address) for address in found)
        return head + asked[12:] + b"".join(records)


def _name(question: bytes) -> str:
    labels: list[str] = []
    while length := question[0]:
        labels.append(question[1 : 1 + length].decode())
        question = question[1 + length :]
    return ".".join(labels)
