"""Open the grants of an attempt: folders on a shared disk as they are, places in a bucket through signed URLs."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from eyebright_kit.runtime.folder import RunFolder
from eyebright_kit.runtime.place import Place, local_place
from eyebright_kit.runtime.stop import StopRequest
from eyebright_wire.artifacts import Grant


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens the grants of one attempt. `moved` is called while the attempt does nothing but wait for bytes."""

    token: str = field(repr=False)
    folder: RunFolder
    stop: StopRequest
    moved: Callable[[], None] = lambda: None

    def __call__(self, grant: Grant) -> Place:
        return self._opened(grant, self.folder.brought / hashlib.sha256(grant.uri.encode()).hexdigest()[:16])

    def output(self, grant: Grant) -> Place:
        """Of the attempt itself: a checkpoint that a killed process of it left there is still known."""
        return self._opened(grant, self.folder.output)

    def _opened(self, grant: Grant, folder: Path) -> Place:
        if grant.urls is None:
            return local_place(grant)
        from eyebright_kit.runtime.signed import SignedPlace  # here: its HTTP client costs 0.3 s, which most runs save

        return SignedPlace(grant, folder, self.token, self.stop, self.moved)
