"""What the text encoder tells of each caption: computed once for each text, or anew each time where it learns too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from eyebright_torch.hardware import Hardware
from eyebright_torch.order import Indices


class Texts(Protocol):
    def of(self, images: Indices) -> torch.Tensor:
        """[N, tokens, width] of the images' captions, on the device that computes."""
        ...


@dataclass(frozen=True)
class Kept:
    """`told` [texts, tokens, width] of each different text; `places` says which one is an image's."""

    told: torch.Tensor
    places: Sequence[int]
    device: torch.device

    def of(self, images: Indices) -> torch.Tensor:
        return self.told[[self.places[image] for image in images]].to(self.device, non_blocking=True)


@dataclass(frozen=True)
class Fresh:
    """`tokens` [images, tokens] are read by an encoder that learns."""

    tokens: torch.Tensor
    encoder: nn.Module
    device: torch.device

    def of(self, images: Indices) -> torch.Tensor:
        return self.encoder(self.tokens[torch.from_numpy(images)].to(self.device)).last_hidden_state


def tokens_of(texts: Sequence[str], tokenizer: CLIPTokenizer) -> torch.Tensor:
    """[texts, tokens], each as long as the encoder reads."""
    return tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt").input_ids


@torch.no_grad()
def kept(
    texts: Sequence[str],
    tokenizer: CLIPTokenizer,
    encoder: CLIPTextModel,
    hardware: Hardware,
    tick: Callable[[], None],
) -> Kept:
    """One text at a time, so that none depends on its neighbours."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    encoder = encoder.to(hardware.device)
    told = [_told(text, tokenizer, encoder, hardware, tick) for text in places]
    return Kept(torch.stack(told), [places[text] for text in texts], hardware.device)


def _told(
    text: str, tokenizer: CLIPTokenizer, encoder: CLIPTextModel, hardware: Hardware, tick: Callable[[], None]
) -> torch.Tensor:
    tick()
    return encoder(tokens_of([text], tokenizer).to(hardware.device)).last_hidden_state[0].cpu().clone()
