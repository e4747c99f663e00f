"""Agents that speak the Model Context Protocol: the same verbs as tools, at `/mcp` of the server."""

from eyebright.doors.mcp.door import McpDoor

__all__ = ["McpDoor"]
