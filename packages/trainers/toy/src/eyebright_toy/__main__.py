"""`python -m eyebright_toy describe | run SPEC | predict MODEL IMAGE | check | serve`."""

import sys

from eyebright_kit.runtime import Trainer, main
from eyebright_toy.manifest import MANIFEST


def load() -> Trainer:
    from eyebright_toy.trainer import ToyTrainer  # here: `describe` must not import what training needs

    return ToyTrainer()


if __name__ == "__main__":
    sys.exit(main(MANIFEST, load))
