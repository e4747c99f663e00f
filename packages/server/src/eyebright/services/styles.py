"""Styles of a Training Server's callers: which job is whose, and where a finished style has its place.

A style is what its callers train a LoRA for. Its import and the training that follows are one story to them, known by two labels.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from eyebright_wire.jobs import JobKind

#: Labels of every job that was ordered for a style: what its caller calls the order, and the style.
TASK_ID, STYLE_ID = "task_id", "style_id"
#: Jobs that a caller is told of; an export or a rehearsal of a style is nobody's order.
TOLD = frozenset({JobKind.IMPORT, JobKind.TRAINING})

#: What becomes the name of a folder as it is.
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: A whole number as JSON writes it; those that JavaScript cannot hold exactly stay texts.
_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")


@dataclass(frozen=True, slots=True)
class StyleTask:
    """An order for a style. Both names are the caller's own words and never a path."""

    style_id: str
    task_id: str

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> "StyleTask | None":
        """None for a job that was ordered for no style."""
        try:
            return cls(style_id=labels[STYLE_ID], task_id=labels[TASK_ID])
        except KeyError:
            return None

    @property
    def labels(self) -> dict[str, str]:
        """For the import and, in its `train`, for the training: each is found by its own."""
        return {STYLE_ID: self.style_id, TASK_ID: self.task_id}

    @property
    def folder(self) -> str:
        """`style-7`; by its sha256 where the id is no plain word, so that no id names another's folder or leaves its own."""
        if _PLAIN.fullmatch(self.style_id):
            return f"style-{self.style_id}"
        return f"style-.{hashlib.sha256(self.style_id.encode()).hexdigest()}"

    @property
    def style(self) -> int | str:
        """As callers write it: ids that are whole numbers are numbers."""
        return int(self.style_id) if _NUMBER.fullmatch(self.style_id) else self.style_id
