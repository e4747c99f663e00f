"""The trainers that come with Eyebright, one line each."""

from pathlib import Path

from eyebright.catalog.source import TrainerSource

torchvision = TrainerSource("torchvision", "eyebright_torchvision", Path("torchvision"), rank=10)
timm = TrainerSource("timm", "eyebright_timm", Path("timm"), rank=20)
transformers = TrainerSource("transformers", "eyebright_transformers", Path("transformers"), rank=25)
mmdet = TrainerSource("mmdet", "eyebright_mmdet", Path("mmdet"), rank=27)
ultralytics = TrainerSource("ultralytics", "eyebright_ultralytics", Path("ultralytics"), rank=30)  # AGPL-3.0
diffusion = TrainerSource("diffusion", "eyebright_diffusion", Path("diffusion"), rank=40)
toy = TrainerSource("toy", "eyebright_toy", Path("toy"), rank=1000)  # for tests; nobody wants to get it by default
