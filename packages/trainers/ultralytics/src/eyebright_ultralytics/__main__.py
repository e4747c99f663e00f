"""`python -m eyebright_ultralytics describe | run SPEC | predict MODEL_FOLDER IMAGE | check | serve`."""

import sys

from eyebright_kit.runtime import Trainer, main
from eyebright_ultralytics.manifest import MANIFEST


def load() -> Trainer:
    from eyebright_ultralytics.trainer import UltralyticsTrainer  # here, because `describe` needs none of it

    return UltralyticsTrainer()


if __name__ == "__main__":
    sys.exit(main(MANIFEST, load))
