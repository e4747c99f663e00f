"""The published sizes of RT-DETRv2 and D-FINE, as configurations of the library's."""

from typing import Any

from transformers import DFineConfig, HGNetV2Config, RTDetrResNetConfig, RTDetrV2Config
from transformers.configuration_utils import PretrainedConfig

_BASIC = {"layer_type": "basic", "hidden_sizes": [64, 128, 256, 512]}
_NARROW = {"encoder_in_channels": [128, 256, 512], "hidden_expansion": 0.5}

# Backbone, then what follows it; the rest is as the library has it, which is r50.
_RT_DETR: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "rtdetr_v2_r18vd": ({**_BASIC, "depths": [2, 2, 2, 2]}, {**_NARROW, "decoder_layers": 3}),
    "rtdetr_v2_r34vd": ({**_BASIC, "depths": [3, 4, 6, 3]}, {**_NARROW, "decoder_layers": 4}),
    "rtdetr_v2_r50vd": ({}, {}),
    "rtdetr_v2_r101vd": (
        {"depths": [3, 4, 23, 3]},
        {"encoder_ffn_dim": 2048, "encoder_hidden_dim": 384, "decoder_in_channels": [384, 384, 384]},
    ),
}

_SMALL = {
    "stem_channels": [3, 16, 16],
    "stage_in_channels": [16, 64, 256, 512],
    "stage_mid_channels": [16, 32, 64, 128],
    "stage_out_channels": [64, 256, 512, 1024],
    "stage_num_blocks": [1, 1, 2, 1],
    "stage_numb_of_layers": [3, 3, 3, 3],
    "hidden_sizes": [128, 256, 512, 1024],
    "use_learnable_affine_block": True,
}
_THREE = {"decoder_n_points": [3, 6, 3]}
_D_FINE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dfine-n": (
        {**_SMALL, "out_indices": [3, 4]},
        {
            "num_feature_levels": 2,
            "feat_strides": [16, 32],
            "encode_proj_layers": [1],
            "encoder_in_channels": [512, 1024],
            "encoder_hidden_dim": 128,
            "encoder_ffn_dim": 512,
            "d_model": 128,
            "decoder_in_channels": [128, 128],
            "decoder_ffn_dim": 512,
            "decoder_n_points": [6, 6],
            "decoder_layers": 3,
            "depth_mult": 0.5,
            "hidden_expansion": 0.34,
        },
    ),
    "dfine-s": (
        _SMALL,
        {
            **_THREE,
            "encoder_in_channels": [256, 512, 1024],
            "decoder_layers": 3,
            "depth_mult": 0.34,
            "hidden_expansion": 0.5,
        },
    ),
    "dfine-m": (
        {
            "stem_channels": [3, 24, 32],
            "stage_in_channels": [32, 96, 384, 768],
            "stage_mid_channels": [32, 64, 128, 256],
            "stage_out_channels": [96, 384, 768, 1536],
            "stage_num_blocks": [1, 1, 3, 1],
            "stage_numb_of_layers": [4, 4, 4, 4],
            "hidden_sizes": [192, 384, 768, 1536],
            "use_learnable_affine_block": True,
        },
        {**_THREE, "encoder_in_channels": [384, 768, 1536], "decoder_layers": 4, "depth_mult": 0.67},
    ),
    "dfine-l": (
        {
            "stem_channels": [3, 32, 48],
            "stage_in_channels": [48, 128, 512, 1024],
            "stage_mid_channels": [48, 96, 192, 384],
            "stage_out_channels": [128, 512, 1024, 2048],
            "stage_num_blocks": [1, 1, 3, 1],
            "stage_numb_of_layers": [6, 6, 6, 6],
            "hidden_sizes": [256, 512, 1024, 2048],
        },
        {**_THREE, "encoder_in_channels": [512, 1024, 2048], "decoder_layers": 6},
    ),
    "dfine-x": (
        {
            "stem_channels": [3, 32, 64],
            "stage_in_channels": [64, 128, 512, 1024],
            "stage_mid_channels": [64, 128, 256, 512],
            "stage_out_channels": [128, 512, 1024, 2048],
            "stage_num_blocks": [1, 2, 5, 2],
            "stage_numb_of_layers": [6, 6, 6, 6],
            "hidden_sizes": [256, 512, 1024, 2048],
        },
        {
            **_THREE,
            "encoder_in_channels": [512, 1024, 2048],
            "encoder_hidden_dim": 384,
            "encoder_ffn_dim": 2048,
            "decoder_in_channels": [384, 384, 384],
            "decoder_layers": 6,
            "reg_scale": 8.0,  # the published weights hold it too, but the library's loss asks the configuration
        },
    ),
}
_STAGES = {
    "stage_downsample": [False, True, True, True],
    "stage_light_block": [False, False, True, True],
    "stage_kernel_size": [3, 3, 5, 5],
    "depths": [1, 1, 1, 1],  # counted, not read
    "out_indices": [2, 3, 4],
}


def architecture(name: str, **settings: Any) -> PretrainedConfig:
    """The configuration of a size by name, with these settings of the library's besides."""
    if name in _RT_DETR:
        backbone, rest = _RT_DETR[name]
        resnet = RTDetrResNetConfig(**{"out_indices": [2, 3, 4], **backbone})
        return RTDetrV2Config(backbone_config=resnet, **rest, **settings)
    backbone, rest = _D_FINE[name]
    return DFineConfig(backbone_config=HGNetV2Config(**{**_STAGES, **backbone}), **rest, **settings)
