"""`python -m eyebright_mmdet describe | run SPEC | predict MODEL_FOLDER IMAGE | check | serve`."""

from eyebright_kit.runtime import Trainer, main
from eyebright_mmdet.manifest import MANIFEST
from eyebright_torch.launch import leave


def load() -> Trainer:
    from eyebright_mmdet.trainer import MMDetTrainer  # here, because `describe` needs none of it

    return MMDetTrainer()


if __name__ == "__main__":
    leave(main(MANIFEST, load))
