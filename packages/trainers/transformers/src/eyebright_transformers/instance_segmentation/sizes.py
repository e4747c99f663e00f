"""The sizes of Mask2Former, as the library's configurations."""

from collections.abc import Mapping
from typing import Any

from transformers import Mask2FormerConfig, SwinConfig

from eyebright_transformers.instance_segmentation.config import InstanceConfig

_STAGES = ["stage1", "stage2", "stage3", "stage4"]
#: Swin as its authors size it; the smallest is ours.
_BACKBONES: Mapping[str, Mapping[str, Any]] = {
    "nano": {"embed_dim": 48, "depths": [2, 2, 2, 2], "num_heads": [2, 4, 8, 16], "window_size": 4},
    "tiny": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 7},
    "small": {"embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24], "window_size": 7},
    "base": {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 12},
    "large": {"embed_dim": 192, "depths": [2, 2, 18, 2], "num_heads": [6, 12, 24, 48], "window_size": 12},
}
#: What is around the smallest backbone; around the others it is what the library has unless told otherwise.
_AROUND: Mapping[str, Mapping[str, Any]] = {
    "nano": {
        "encoder_layers": 1,
        "decoder_layers": 4,  # the first is the look at the queries alone, which the library counts too
        "hidden_dim": 128,
        "feature_size": 128,
        "mask_feature_size": 128,
        "dim_feedforward": 512,
        "encoder_feedforward_dim": 256,
    }
}
#: As many as the published weights look for; any other size looks for 100.
_QUERIES: Mapping[str, int] = {"large": 200}


def architecture(name: str, classes: int, config: InstanceConfig) -> Mask2FormerConfig:
    size = name.rpartition("-")[2]
    swin = SwinConfig(**_BACKBONES[size], drop_path_rate=config.drop_path, out_features=_STAGES)
    return Mask2FormerConfig(
        backbone_config=swin,
        num_labels=classes,
        num_queries=config.queries or _QUERIES.get(size, 100),
        train_num_points=config.points,
        attn_implementation="eager",  # torch's own attention answers strides that its exporter cannot follow
        **_AROUND.get(size, {}),
    )
