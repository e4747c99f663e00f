"""Forms as curl sends them: in the order in which their fields were named."""

from typing import Any


def form(*parts: tuple[str, bytes | str, str | None]) -> dict[str, Any]:
    """A request's body and its type, of (field, content, file name)."""
    body = b""
    for field, content, name in parts:
        file = f'; filename="{name}"\r\nContent-Type: application/octet-stream' if name is not None else ""
        whole = content.encode() if isinstance(content, str) else content
        body += f'--b\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'.encode() + whole + b"\r\n"
    return {"content": body + b"--b--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}
