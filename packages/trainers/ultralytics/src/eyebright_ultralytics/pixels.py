"""An image as it is to be held, with the colours that Ultralytics' own reader gives it."""

import numpy as np
from PIL import Image, ImageOps


def upright(image: Image.Image) -> Image.Image:
    """RGB, turned as its EXIF says. Of 16 bits the upper 8 stay, as OpenCV does it: Pillow's own conversion turns them white."""
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I;16"):
        turned = Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
    return turned.convert("RGB")
