"""Learning to draw, as the loop knows it."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from eyebright_diffusion.adapters import Adapters
from eyebright_diffusion.buckets import BucketOrder
from eyebright_diffusion.config import LoraConfig
from eyebright_diffusion.drawing import Drawing
from eyebright_diffusion.latents import Latents
from eyebright_diffusion.objective import Objective
from eyebright_diffusion.texts import Texts
from eyebright_torch.draws import Purpose, generator
from eyebright_torch.hardware import Hardware
from eyebright_torch.order import Indices
from eyebright_torch.task import Goal, Learned, Metrics, Tick

#: A validation split says which epoch is the best; without one nothing does.
JUDGED, UNJUDGED = Goal("val_loss", higher_is_better=False), Goal("", newest=True)
#: Of the images that are learned from, so many show by the same noise each time how learning goes.
_WATCHED = 4


@dataclass(frozen=True)
class Pictured:
    """Some images as the network knows them."""

    latents: Latents
    texts: Texts
    order: BucketOrder


@dataclass
class TextToImage:
    """Learns to take noise away from latents; judged by how well it does that with images and noise that stay the same."""

    config: LoraConfig
    hardware: Hardware
    objective: Objective
    train: Pictured
    val: Pictured | None
    drawing: Drawing
    tallies: tuple[str, ...] = ()
    epoch: int = 0

    @property
    def goal(self) -> Goal:
        return JUDGED if self.val else UNJUDGED

    def batches(self, steps: Sequence[Indices], epoch: int) -> Generator[Indices, None, None]:
        """All is in memory already: a batch is which images it has."""
        self.epoch = epoch
        yield from steps

    def learn(self, network: nn.Module, batch: Indices, rng: np.random.Generator) -> Iterator[Learned]:
        for part in self.train.order.parts(batch):
            latents = self.train.latents.draw(part, rng, self.hardware.device)
            yield Learned(self._loss(network, self.train, part, latents, rng), (), len(part))

    def judge(self, model: nn.Module, tick: Tick) -> Metrics:
        assert isinstance(model, Adapters)
        with model.worn():
            metrics = self._validated(model, tick) if self.val else self._watched(model, tick)
        if self.config.draws(self.epoch):
            self.drawing.draw(model, f"prompts-epoch-{self.epoch:04d}.png", f"Epoch {self.epoch}", tick)
        return metrics

    def _validated(self, model: Adapters, tick: Tick) -> Metrics:
        assert self.val
        return {"val_loss": self._mean_loss(model, self.val, np.arange(len(self.val.latents)), tick)}

    def _watched(self, model: Adapters, tick: Tick) -> Metrics:
        count = min(_WATCHED, len(self.train.latents))
        return {"fixed_loss": self._mean_loss(model, self.train, np.arange(count), tick)}

    def _mean_loss(self, model: Adapters, pictured: Pictured, images: Indices, tick: Tick) -> float:
        """Each image with noise and at a timestep of its own, which are the same whenever it is asked."""
        losses: list[torch.Tensor] = []
        for image in images:
            tick()
            rng = generator(self.config.seed, Purpose.IMAGE, int(image))
            one = np.array([image])
            latents = pictured.latents.means(one, self.hardware.device)
            losses.append(self._loss(model, pictured, one, latents, rng))
        return float(torch.stack(losses).mean())

    def _loss(
        self,
        network: nn.Module,
        pictured: Pictured,
        images: Indices,
        latents: torch.Tensor,
        rng: np.random.Generator,
    ) -> torch.Tensor:
        question = self.objective.ask(latents, torch.Generator(latents.device).manual_seed(int(rng.integers(1 << 63))))
        with self.hardware.autocast():
            answer = network(question.noisy, question.timesteps, pictured.texts.of(images))
        return self.objective.loss(answer, question)
