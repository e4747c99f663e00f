"""The same by Datumaro, in an environment of its own."""

import json
import sys
import time

from datumaro import Dataset
from datumaro.components.environment import Environment


def main(root: str) -> None:
    began = time.monotonic()
    found = Environment().detect_dataset(root)
    form = min(found, key=lambda name: (len(name), name))
    images = boxes = 0
    for item in Dataset.import_from(root, form):
        images += 1
        boxes += sum(annotation.type.name == "bbox" for annotation in item.annotations)
    print(json.dumps({"images": images, "boxes": boxes, "seconds": time.monotonic() - began, "format": found}))


main(sys.argv[1])
