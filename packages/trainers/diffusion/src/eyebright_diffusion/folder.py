"""A Stable Diffusion in a folder, as diffusers lays one out: a folder for each part, weights as safetensors and nothing else."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from eyebright_diffusion.base import Base, still
from eyebright_kit.errors import ConfigInvalid

#: The parts that have weights, and what their files are called before the ending.
WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
_HALF = "fp16"


@dataclass(frozen=True)
class Folder:
    """Parts as they lie below `root`. Nothing is asked of any hub, and no pickle is read."""

    root: Path

    def tokenizer(self) -> CLIPTokenizer:
        return CLIPTokenizer.from_pretrained(self.root / "tokenizer", local_files_only=True)

    def text_encoder(self, dtype: torch.dtype = torch.float32) -> CLIPTextModel:
        part = "text_encoder"
        return still(CLIPTextModel.from_pretrained(self.root / part, dtype=dtype, **self._how(part)))

    def vae(self) -> AutoencoderKL:
        part = "vae"
        return still(AutoencoderKL.from_pretrained(self.root / part, torch_dtype=torch.float32, **self._how(part)))

    def unet(self, dtype: torch.dtype = torch.float32) -> UNet2DConditionModel:
        part = "unet"
        return still(UNet2DConditionModel.from_pretrained(self.root / part, torch_dtype=dtype, **self._how(part)))

    def scheduler(self) -> DDPMScheduler:
        return DDPMScheduler.from_pretrained(self.root / "scheduler", local_files_only=True)

    def files(self) -> list[Path]:
        """Those that weights are read from."""
        return [file for part in WEIGHTS for file in sorted(self._weights(part))]

    def check(self) -> None:
        """Raises ConfigInvalid naming what is missing or of another kind than Stable Diffusion 1.x."""
        for part in (*WEIGHTS, "tokenizer", "scheduler"):
            if not (self.root / part).is_dir():
                raise ConfigInvalid(
                    f"{self.root} has no folder {part}; expected a Stable Diffusion as diffusers saves it"
                )
        for part, stem in WEIGHTS.items():
            if not self._weights(part):
                raise ConfigInvalid(
                    f"{self.root / part} has no {stem}.safetensors; other forms of weights are not read, because a pickle may "
                    f"run code. Convert it with diffusers' save_pretrained(…, safe_serialization=True)"
                )
        self._check_kind()

    def _check_kind(self) -> None:
        unet, text = _settings(self.root / "unet"), _settings(self.root / "text_encoder")
        latents, cross = unet.get("in_channels", 4), unet.get("cross_attention_dim")
        if unet.get("addition_embed_type") or latents != 4 or cross != text.get("hidden_size"):
            raise ConfigInvalid(
                f"{self.root} is not a Stable Diffusion 1.x or 2.x: its UNet takes {latents} channels, texts of {cross} numbers "
                f"and {unet.get('addition_embed_type') or 'nothing'} besides; take a base model of that kind"
            )

    def _how(self, part: str) -> Mapping[str, Any]:
        plain = (self.root / part / f"{WEIGHTS[part]}.safetensors").exists() or not list(
            (self.root / part).glob(f"*.{_HALF}*.safetensors")
        )
        return {"use_safetensors": True, "local_files_only": True, "variant": None if plain else _HALF}

    def _weights(self, part: str) -> list[Path]:
        """The whole ones, or those in half precision where there are no others; in several pieces, all of them."""
        found = list((self.root / part).glob(f"{WEIGHTS[part]}*.safetensors"))
        half = [file for file in found if f".{_HALF}" in file.name]
        return [file for file in found if file not in half] or half


def base_in(root: Path, name: str, terms: str) -> Base:
    """The base model in a folder. Raises ConfigInvalid when it is none."""
    folder = Folder(root)
    folder.check()
    hashes = {f"{file.parent.name}/{file.name}": _sha256(file) for file in folder.files()}
    together = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    return Base(name, str(root), terms, together, folder, hashes)


def _settings(part: Path) -> dict[str, Any]:
    try:
        return json.loads((part / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigInvalid(f"{part / 'config.json'} cannot be read ({error}); put a fresh copy there") from error


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
