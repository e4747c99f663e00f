from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from peft import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import save_file
from tiny import ALPHA, RANK, a_text_encoder, a_unet, adapted
from torch import nn

from eyebright_diffusion import kohya


def a_lora() -> tuple[nn.Module, nn.Module, dict[str, torch.Tensor]]:
    unet = adapted(a_unet(), "to_q", "to_k", "to_v", "to_out.0")
    encoder = adapted(a_text_encoder(), "q_proj", "k_proj", "v_proj", "out_proj")
    state = {f"unet.{name}": tensor for name, tensor in get_peft_model_state_dict(unet).items()}
    state |= {f"text_encoder.{name}": tensor for name, tensor in get_peft_model_state_dict(encoder).items()}
    return unet, encoder, state


def a_pipeline() -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=None,
        text_encoder=a_text_encoder(),
        tokenizer=None,
        unet=a_unet(),
        scheduler=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def seen(unet: nn.Module) -> torch.Tensor:
    rng = torch.Generator().manual_seed(3)
    latents, texts = torch.randn((2, 4, 8, 8), generator=rng), torch.randn((2, 7, 32), generator=rng)
    with torch.inference_mode():
        return unet(latents, 500, texts).sample


def read(encoder: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return encoder(torch.tensor([[48, 5, 6, 7, 49]])).last_hidden_state


def test_diffusers_loads_a_kohya_file_as_it_was_trained(tmp_path: Path):
    unet, encoder, state = a_lora()
    save_file(
        kohya.converted(state, ALPHA), tmp_path / "kohya_lora.safetensors", kohya.metadata(RANK, ALPHA, title="x")
    )
    pipeline = a_pipeline()
    pipeline.load_lora_weights(tmp_path, weight_name="kohya_lora.safetensors")
    for trained, loaded, answer in ((unet, pipeline.unet, seen), (encoder, pipeline.text_encoder, read)):
        torch.testing.assert_close(answer(loaded), answer(trained), rtol=0, atol=1e-6)


def test_the_adapters_of_these_tests_change_what_is_answered():
    unet, encoder, _ = a_lora()
    assert (seen(unet) - seen(a_unet())).abs().max() > 0.01
    assert (read(encoder) - read(a_text_encoder())).abs().max() > 0.01


def test_the_names_are_those_that_other_programs_look_for():
    _, _, state = a_lora()
    found = kohya.converted(state, ALPHA)
    attention = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0"
    encoder = "lora_te_text_model_encoder_layers_1_self_attn_out_proj"
    for module in (attention, encoder):
        assert found[f"{module}.lora_down.weight"].shape[0] == found[f"{module}.lora_up.weight"].shape[1] == RANK
        assert found[f"{module}.alpha"] == ALPHA
    assert len(found) == len(state) // 2 * 3  # down, up and alpha for A and B
    assert {name.split("_")[1] for name in found} == {"unet", "te"}


def test_a_text_encoders_names_are_those_of_every_version_of_transformers():
    assert kohya.compatible("text_encoder.encoder.layers.0.x") == "text_encoder.text_model.encoder.layers.0.x"
    assert kohya.compatible("text_encoder.text_model.encoder.x") == "text_encoder.text_model.encoder.x"
    assert kohya.compatible("unet.mid_block.x") == "unet.mid_block.x"


def test_diffusers_reads_its_own_file_with_such_names(tmp_path: Path):
    """Without kohya's alpha beside each pair, peft's settings in the header tell it."""
    _, encoder, state = a_lora()
    names = {kohya.compatible(name): tensor for name, tensor in state.items()}
    StableDiffusionPipeline.save_lora_weights(
        tmp_path,
        text_encoder_lora_layers={
            name.removeprefix("text_encoder."): tensor for name, tensor in names.items() if name.startswith("text")
        },
        text_encoder_lora_adapter_metadata=encoder.peft_config["default"].to_dict(),
    )
    pipeline = a_pipeline()
    pipeline.load_lora_weights(tmp_path)
    torch.testing.assert_close(read(pipeline.text_encoder), read(encoder), rtol=0, atol=1e-6)


def test_the_header_tells_rank_alpha_base_and_trigger(tmp_path: Path):
    _, _, state = a_lora()
    save_file(
        kohya.converted(state, ALPHA),
        tmp_path / "lora.safetensors",
        kohya.metadata(RANK, ALPHA, title="Watercolour", trigger="sks"),
    )
    with safe_open(tmp_path / "lora.safetensors", "pt") as file:
        told = file.metadata()
    assert (told["ss_network_dim"], told["ss_network_alpha"], told["ss_base_model_version"]) == ("4", "12.0", "sd_v1")
    assert (told["modelspec.title"], told["modelspec.trigger_phrase"]) == ("Watercolour", "sks")
    assert "modelspec.trigger_phrase" not in kohya.metadata(RANK, ALPHA, title="Watercolour")


def test_the_second_generation_is_not_called_the_first():
    told = kohya.metadata(RANK, ALPHA, title="Watercolour", text_width=1024)
    assert (told["ss_v2"], told["ss_base_model_version"]) == ("True", "sd_v2")
    assert told["modelspec.architecture"] == "stable-diffusion-v2-512/lora"
    assert kohya.metadata(RANK, ALPHA, title="Watercolour")["ss_v2"] == "False"
