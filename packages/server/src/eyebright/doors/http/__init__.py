"""The native HTTP API, version 1."""

from eyebright.doors.http.door import HttpDoor

__all__ = ["HttpDoor"]
