"""The diffusion trainer keeps every promise of a trainer."""

from eyebright_diffusion.files import DIFFUSERS
from eyebright_diffusion.manifest import MANIFEST
from eyebright_kit.testing import TrainerConformance


class TestDiffusion(TrainerConformance):
    manifest = MANIFEST
    weights = DIFFUSERS
    slow = {"epochs": 3, "save_every_steps": 2}
    warm = ("diffusers", "peft", "transformers", "eyebright_diffusion.fit")
