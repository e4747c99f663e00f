"""One picture of the pictures that prompts led to: `draw_sheet(path, prompts, pictures, "Epoch 10")`."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from eyebright_torch.pictures import DPI

_ACROSS = 4  # pictures beside each other
_INCHES = 3.0  # for each
_LETTERS, _LINES = 42, 3  # of a prompt above its picture


def draw_sheet(path: Path, prompts: Sequence[str], pictures: Sequence[Image.Image], title: str) -> None:
    """All of them side by side as a PNG, each below its prompt."""
    across = min(_ACROSS, len(pictures))
    down = math.ceil(len(pictures) / across)
    figure = Figure(figsize=(_INCHES * across, (_INCHES + 0.6) * down + 0.4), layout="constrained")
    places: list[Axes] = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in places:
        axes.set_axis_off()
    for axes, prompt, picture in zip(places, prompts, pictures, strict=False):  # the last row may not be full
        axes.imshow(picture)
        axes.set_title(_wrapped(prompt), fontsize=8, parse_math=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=DPI)


def _wrapped(prompt: str) -> str:
    return "\n".join(textwrap.wrap(prompt, _LETTERS, max_lines=_LINES, placeholder=" …")) or "(empty)"
