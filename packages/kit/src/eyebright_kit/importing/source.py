"""What an import reads: a file or folder on this machine, and what is known of it that does not lie there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from eyebright_kit.errors import TrainerFailure
from eyebright_wire.datasets import DatasetReport

_OURS = re.compile(r"\b[0-9]{5}\.[a-z]{2,4}\b")  # as images of a list are named


@dataclass(frozen=True, slots=True)
class Source:
    """`missing` are images that did not come: each as it may be shown, and why. `addresses` says where a file came from."""

    path: Path
    missing: tuple[tuple[str, str], ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])

    def told(self, text: str) -> str:
        """`00003.jpg` → `00003.jpg (https://…/cat.jpg)`: the name is ours, and says nothing to whoever gave the list."""
        return _OURS.sub(lambda name: self._named(name[0]), text)

    def retold(self, report: DatasetReport) -> DatasetReport:
        """With the address beside each file that is found fault with."""
        findings = tuple(
            finding.model_copy(
                update={
                    "message": self.told(finding.message),
                    "examples": tuple(map(self.told, finding.examples)),
                }
            )
            for finding in report.findings
        )
        readiness = tuple(
            verdict.model_copy(update={"missing": tuple(map(self.told, verdict.missing))})
            for verdict in report.readiness
        )
        return report.model_copy(update={"findings": findings, "readiness": readiness})

    def told_again(self, failure: TrainerFailure) -> None:
        """The same for what the worker refused."""
        failure.message = self.told(failure.message)
        failure.errors = failure.errors and tuple(
            {key: self._anything(value) for key, value in error.items()} for error in failure.errors
        )

    def _anything(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._anything(each) for each in cast("list[Any]", value)]
        return self.told(value) if isinstance(value, str) else value

    def _named(self, name: str) -> str:
        address = self.addresses.get(name)
        return f"{name} ({address})" if address else name
