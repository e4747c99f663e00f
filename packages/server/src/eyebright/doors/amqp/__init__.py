"""Orders through a message queue (AMQP 0-9-1): taken, committed, and only then acknowledged."""

from eyebright.doors.amqp.door import AmqpDoor

__all__ = ["AmqpDoor"]
