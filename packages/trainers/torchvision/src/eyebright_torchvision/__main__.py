"""`python -m eyebright_torchvision describe | run SPEC | predict MODEL_FOLDER IMAGE | check | serve`."""

from eyebright_kit.runtime import Trainer, main
from eyebright_torch.launch import leave
from eyebright_torchvision.manifest import MANIFEST


def load() -> Trainer:
    from eyebright_torchvision.trainer import TorchvisionTrainer  # here, because `describe` needs none of it

    return TorchvisionTrainer()


if __name__ == "__main__":
    leave(main(MANIFEST, load))
