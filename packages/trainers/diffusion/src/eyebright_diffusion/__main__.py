"""`python -m eyebright_diffusion describe | run SPEC | check | serve`."""

from eyebright_diffusion.manifest import MANIFEST
from eyebright_kit.runtime import Trainer, main
from eyebright_torch.launch import leave


def load() -> Trainer:
    from eyebright_diffusion.trainer import DiffusionTrainer  # here, because `describe` needs none of it

    return DiffusionTrainer()


if __name__ == "__main__":
    leave(main(MANIFEST, load))
