"""How far a training is, and how long the rest will take at the pace so far."""

from eyebright_wire.events import Progress


def fraction(progress: Progress) -> float:
    """How much of the training is done, 0…1."""
    if progress.fraction is not None:
        return progress.fraction
    if progress.steps:
        return min(1.0, progress.step / progress.steps)
    return max(0.0, min(1.0, (progress.epoch - (0 if progress.epoch_finished else 1)) / progress.epochs))


def seconds_left(progress: Progress, seconds_so_far: float) -> float | None:
    """As its trainer says; else as the time that it took so far says, once something is done."""
    if progress.eta_seconds is not None:
        return progress.eta_seconds
    done = fraction(progress)
    return seconds_so_far * (1 - done) / done if done > 0 else None
