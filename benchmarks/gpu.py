"""How much of a GPU a training really uses: resnet50 at 224 pixels in bf16, from JPEG files on disk.

Contenders and turns as in `training`, without the plain loop. The first epoch, in which every file is decoded, counts here:
the figure is (seconds of pure compute for all epochs) ÷ (seconds of ours for all epochs), over the recipe's 30.
"""

from collections.abc import Mapping

from benchmarks.figure import Family, Figure
from benchmarks.spread import say
from benchmarks.training import Training, ratio, took

FIGURE = Figure(
    name="gpu_training_of_compute",
    unit="ratio",
    bar=0.9,
    against="resnet50 at 224 px in bf16 on one batch in the GPU's memory: steps and nothing else",
)

LARGE = Training("resnet50", 224, 256, train=30_720, val=2_048, size=(500, 375), rounds=3, workers=(), device="cuda")
EPOCHS = 30


def gpu() -> Mapping[str, float]:
    found = took(LARGE)
    steady = ratio(found, LARGE, "compute")
    ours, compute = min(found["ours"]), min(found["compute"])
    say(f"first epoch {found['warm']:.1f} s, later ones {ours:.1f} s, pure compute {compute:.1f} s; then {steady:.3f}")
    return {FIGURE.name: EPOCHS * compute / (found["warm"] + (EPOCHS - 1) * ours)}


FAMILIES = (Family((FIGURE,), gpu),)
