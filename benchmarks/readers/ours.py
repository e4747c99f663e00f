"""Detect and read a data set without looking at the pixels, as Datumaro does: prints what was found and the seconds."""

import json
import sys
import time
from pathlib import Path

from eyebright_kit.data.format import Candidate, detect, formats


def main(root: Path) -> None:
    formats()  # starting is part of neither side
    began = time.monotonic()
    form = detect(root)
    assert form
    images = boxes = 0
    for found in form.read(root).found():
        if isinstance(found, Candidate) and found.annotate:
            images += 1
            boxes += len(found.annotate(64, 48).instances)
    print(json.dumps({"images": images, "boxes": boxes, "seconds": time.monotonic() - began, "format": form.name}))


main(Path(sys.argv[1]))
