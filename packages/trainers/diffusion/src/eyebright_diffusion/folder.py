"""A Stable Diffusion in a folder, as diffusers lays one out: a folder for each part, weights as safetensors and nothing else."""

import hashlib
import json
import re
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
_PIECE = re.compile(r"[\w-][\w.-]*\.safetensors")


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

    def is_whole(self) -> bool:
        """Whether all is there that any part is read from, of whichever kind it may be."""
        try:
            weights = all(self._weights(part) for part in WEIGHTS)
        except ConfigInvalid:  # an index names what has not come
            return False
        words = self._has("tokenizer/tokenizer.json") or self._has("tokenizer/vocab.json", "tokenizer/merges.txt")
        settings = (*(f"{part}/config.json" for part in WEIGHTS), "scheduler/scheduler_config.json")
        return weights and words and self._has(*settings)

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
        self._check_alone()
        self._check_kind()

    def _check_alone(self) -> None:
        """Its readers would follow an adapter's settings to another base, whose weights nobody has hashed."""
        if found := next(self.root.glob("*/adapter_config.json"), None):
            raise ConfigInvalid(f"{found} leads to weights elsewhere; take a base model that is whole without adapters")

    def _check_kind(self) -> None:
        unet, text = (_settings(self.root / part / "config.json") for part in ("unet", "text_encoder"))
        latents, cross = unet.get("in_channels", 4), unet.get("cross_attention_dim")
        if unet.get("addition_embed_type") or latents != 4 or cross != text.get("hidden_size"):
            raise ConfigInvalid(
                f"{self.root} is not a Stable Diffusion 1.x or 2.x: its UNet takes {latents} channels, texts of {cross} numbers "
                f"and {unet.get('addition_embed_type') or 'nothing'} besides; take a base model of that kind"
            )

    def _has(self, *files: str) -> bool:
        return all((self.root / file).is_file() for file in files)

    def _how(self, part: str) -> Mapping[str, Any]:
        return {"use_safetensors": True, "local_files_only": True, "variant": self._variant(part)}

    def _variant(self, part: str) -> str | None:
        """Half precision where there is nothing else."""
        folder, stem = self.root / part, WEIGHTS[part]
        return _HALF if not _files(folder, stem) and _files(folder, stem, _HALF) else None

    def _weights(self, part: str) -> list[Path]:
        """All that is read, and nothing that only lies beside it: other files may come and go while a run rests."""
        return _files(self.root / part, WEIGHTS[part], self._variant(part))


def base_in(root: Path, name: str, terms: str) -> Base:
    """The base model in a folder. Raises ConfigInvalid when it is none."""
    folder = Folder(root)
    folder.check()
    hashes = {f"{file.parent.name}/{file.name}": _sha256(file) for file in folder.files()}
    together = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    return Base(name, str(root), terms, together, folder, hashes)


def _files(folder: Path, stem: str, variant: str | None = None) -> list[Path]:
    """Weights in one file, or in the pieces that an index beside them names."""
    mark = f".{variant}" if variant else ""
    whole, index = folder / f"{stem}{mark}.safetensors", folder / f"{stem}.safetensors.index{mark}.json"
    pieces = _pieces(index) if index.exists() else []
    return sorted({*pieces, *([whole] if whole.exists() else [])})


def _pieces(index: Path) -> list[Path]:
    """An index is read by libraries that would follow it anywhere, and take a pickle for a piece."""
    names = {str(name) for name in dict(_settings(index).get("weight_map", {})).values()}
    if strange := sorted(name for name in names if not _PIECE.fullmatch(name) or not (index.parent / name).is_file()):
        raise ConfigInvalid(f"{index} names {strange[0]!r}; expected names of safetensors files that lie beside it")
    return [index.parent / name for name in names]


def _settings(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigInvalid(f"{file} cannot be read ({error}); put a fresh copy there") from error


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
