"""The parts of a tiny Stable Diffusion with random weights."""

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from peft import LoraConfig
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

RANK, ALPHA = 4, 12.0
TEXT = 32  # how many numbers say a token


def a_unet() -> UNet2DConditionModel:
    torch.manual_seed(1)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=TEXT,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=8,
    ).eval()


def a_text_encoder() -> CLIPTextModel:
    torch.manual_seed(2)
    config = CLIPTextConfig(
        vocab_size=50,
        hidden_size=TEXT,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=48,
        eos_token_id=49,
    )
    return CLIPTextModel(config).eval()


def an_autoencoder() -> AutoencoderKL:
    torch.manual_seed(3)
    return AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=64,
    ).eval()


def a_scheduler(prediction: str = "epsilon", **given: object) -> DDPMScheduler:
    """Stable Diffusion's own noise schedule."""
    return DDPMScheduler(
        **{
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "scaled_linear",
            "num_train_timesteps": 1000,
            "clip_sample": False,
            "prediction_type": prediction,
            **given,
        }
    )


def adapted(model: nn.Module, *targets: str, dropout: float = 0.0) -> nn.Module:
    """With adapters that change what it answers: they are made with zeroes."""
    model.add_adapter(LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=dropout, target_modules=list(targets)))
    for name, weights in model.named_parameters():
        if "lora" in name:
            nn.init.normal_(weights, std=0.3)
    return model
