"""What a trainer's short verbs print as their last line: `check` and `predict`."""

from eyebright_wire.model import WireModel
from eyebright_wire.predictions import ClassMask, ClassScore, FoundObject


class CheckedPromise(WireModel):
    """One promise of every trainer: kept, or why not."""

    name: str
    ok: bool
    message: str = ""


class CheckReport(WireModel):
    """What a trainer found when it tried itself out."""

    ok: bool
    seconds: float
    checks: tuple[CheckedPromise, ...]


class PredictionAnswer(WireModel):
    """What a model makes of one image: a classifier gives scores, a semantic segmenter a mask, every other model the objects that
    it found."""

    scores: tuple[ClassScore, ...] = ()  # best first
    objects: tuple[FoundObject, ...] = ()  # best first
    mask: ClassMask | None = None
    seconds: float
