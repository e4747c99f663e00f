"""`python -m eyebright_transformers describe | run SPEC | predict MODEL_FOLDER IMAGE | check | serve`."""

from eyebright_kit.runtime import Trainer, main
from eyebright_torch.launch import leave
from eyebright_transformers.manifest import MANIFEST


def load() -> Trainer:
    from eyebright_transformers.trainer import TransformersTrainer  # here, because `describe` needs none of it

    return TransformersTrainer()


if __name__ == "__main__":
    leave(main(MANIFEST, load))
