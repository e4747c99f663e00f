"""What crosses a process boundary of Eyebright: pure pydantic models, no I/O.

Rules of the wire: fields are added as optional and never change their meaning; unknown fields and unknown event kinds are
ignored, so that an older reader understands a newer writer.
"""

WIRE_VERSION = 1
