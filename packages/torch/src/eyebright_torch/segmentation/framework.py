"""What semantic segmentation asks of a library."""

from dataclasses import dataclass

from eyebright_torch.framework import Library


@dataclass(frozen=True, kw_only=True)
class Framework(Library):
    """Its models answer logits [N, classes, S, S] for images [N, 3, S, S]."""
