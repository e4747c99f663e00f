"""`python -m eyebright_timm describe | run SPEC | predict MODEL_FOLDER IMAGE | check | serve`."""

from eyebright_kit.runtime import Trainer, main
from eyebright_timm.manifest import MANIFEST
from eyebright_torch.launch import leave


def load() -> Trainer:
    from eyebright_timm.trainer import TimmTrainer  # here, because `describe` needs none of it

    return TimmTrainer()


if __name__ == "__main__":
    leave(main(MANIFEST, load))
