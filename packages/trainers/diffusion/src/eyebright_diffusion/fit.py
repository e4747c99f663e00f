"""One run from its order to its result. Imported only when something is trained, because the framework takes seconds."""

import gc
from dataclasses import dataclass, replace
from functools import partial

import torch
from transformers import CLIPTextModel

from eyebright_diffusion import bases, bucket, captions, latents, readiness, texts
from eyebright_diffusion.adapters import Adapters, adapted
from eyebright_diffusion.base import Base
from eyebright_diffusion.buckets import BucketOrder, closest, sizes
from eyebright_diffusion.config import LoraConfig
from eyebright_diffusion.delivery import Delivery
from eyebright_diffusion.drawing import Drawing
from eyebright_diffusion.objective import Objective
from eyebright_diffusion.optim import optimizer
from eyebright_diffusion.task import Pictured, TextToImage
from eyebright_diffusion.texts import Texts
from eyebright_kit.runtime import Context, Result, Stopped
from eyebright_torch import hardware as machine
from eyebright_torch import memory
from eyebright_torch.distributed import Ranks
from eyebright_torch.hardware import Hardware
from eyebright_torch.launch import cuda_indices
from eyebright_torch.learner import Learner
from eyebright_torch.loop import Loop
from eyebright_torch.schedule import learning_rate
from eyebright_torch.weights import load
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Resources, Stage


def fit(ctx: Context) -> Result:
    """Raises a TrainerFailure with what to change, or Stopped with a checkpoint left behind."""
    config = ctx.config_as(LoraConfig)
    _tell_idle(ctx, config)
    hardware = hardware_for(config, ctx.resources)
    machine.settle(hardware, config.deterministic)
    with memory.explained(config):
        ctx.stage(Stage.VALIDATING)
        _check(ctx, config)
        base = bases.find(ctx.model, config.base_model, partial(bucket.fetch, ctx))
        ctx.log.info("base model %s, sha256 %s", base.name, base.sha256)
        return _Run(ctx, config, hardware, base).result()


def hardware_for(config: LoraConfig, resources: Resources) -> Hardware:
    """With bf16 on a CPU that has instructions for it: almost all weights are frozen, and the step takes half the time. Without
    them bf16 takes many times longer than float32. Raises ConfigInvalid when the config asks for what this machine lacks."""
    chosen = machine.choose(config, resources, 0, 1)
    if config.amp == "auto" and chosen.device.type == "cpu" and _cpu_computes_bf16():
        return replace(chosen, precision=torch.bfloat16)
    return chosen


def _cpu_computes_bf16() -> bool:
    can = torch.cpu.get_capabilities()
    return can.get("avx512_bf16", False) or can.get("amx_bf16", False)


def _tell_idle(ctx: Context, config: LoraConfig) -> None:
    mine, *idle = cuda_indices(config, ctx.resources) or (None,)
    if idle:
        ctx.log.warning(
            "a LoRA is learned on one device: CUDA device %s learns, and %s waits", mine, ", ".join(map(str, idle))
        )


def _check(ctx: Context, config: LoraConfig) -> None:
    samples = ctx.data.samples(Split.TRAIN)
    readiness.check(samples)
    for remark in readiness.remarks(samples, config.resolution):
        ctx.log.warning("%s", remark)


@dataclass(frozen=True)
class _Run:
    ctx: Context
    config: LoraConfig
    hardware: Hardware
    base: Base

    def result(self) -> Result:
        objective = Objective(self.base.parts.scheduler(), self.config.min_snr_gamma, self.config.noise_offset)
        text = self._text_encoder() if self.config.train_text_encoder else None
        drawing = Drawing(self.ctx, self.config, self.hardware, self.base.parts)
        train, val = self._pictured(Split.TRAIN, text), self._pictured(Split.VAL, text)
        assert train
        model = self._adapters(text)
        task = TextToImage(self.config, self.hardware, objective, train, val, drawing)
        loop = self._loop(model, task)
        self.ctx.stage(Stage.TRAINING)
        loop.run()
        load(model, loop.best or {})
        return Delivery(self.ctx, self.config, self.hardware, self.base, model, loop.state, drawing).everything()

    def _loop(self, model: Adapters, task: TextToImage) -> Loop[object]:
        order = task.train.order
        learner = Learner(
            model, [], partial(optimizer, self.config), task.tallies, self.config, self.hardware, Ranks(), order.steps
        )
        rate = learning_rate(self.config, order.steps)
        return Loop(self.ctx, self.config, self.hardware, Ranks(), learner, task, order, rate)

    def _text_encoder(self) -> CLIPTextModel:
        return self.base.parts.text_encoder(self.hardware.precision or torch.float32)

    def _adapters(self, text: CLIPTextModel | None) -> Adapters:
        unet = self.base.parts.unet(self.hardware.precision or torch.float32)
        model = adapted(self.config, self.base, unet, text)
        for network in model.networks.values():
            network.to(self.hardware.device)
        return model

    def _pictured(self, split: Split, text: CLIPTextModel | None) -> Pictured | None:
        """What the autoencoder and the text encoder have to say of a split's images, once for the whole run. Both are gone
        afterwards, but for a text encoder that learns. None: the split has no images."""
        samples = list(self.ctx.data.samples(split))
        if not samples:
            return None
        said = captions.texts(samples, self.config.trigger)
        known = sizes(self.config.resolution)
        buckets = tuple(closest(known, sample.width, sample.height) for sample in samples)
        told = self._texts(said, text)
        kept = latents.encoded(
            self.base.parts.vae(), samples, (known[bucket] for bucket in buckets), self.hardware, self._tick
        )
        self._let_go()
        repeats = tuple(sample.repeats for sample in samples)
        order = BucketOrder(buckets, repeats, self.config.batch, self.config.seed, self.config.accumulate)
        return Pictured(kept, told, order)

    def _texts(self, said: list[str], text: CLIPTextModel | None) -> Texts:
        tokenizer = self.base.parts.tokenizer()
        captions.tell_cut(said, tokenizer, self.ctx.log)
        if text:
            return texts.Fresh(texts.tokens_of(said, tokenizer), text, self.hardware.device)
        return texts.kept(said, tokenizer, self.base.parts.text_encoder(), self.hardware, self._tick)

    def _tick(self) -> None:
        self.ctx.step()
        if self.ctx.stopping:
            raise Stopped

    def _let_go(self) -> None:
        """What nobody refers to any more leaves the device, too."""
        gc.collect()
        if self.hardware.device.type == "cuda":
            torch.cuda.empty_cache()
