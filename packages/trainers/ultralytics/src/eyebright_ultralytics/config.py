"""The settings of a run, one class for each task: name, default, range, unit and help of each, under Ultralytics' own names.

`x-view` says who is meant to meet a setting: every `user`, or the `developer` who asks for all of them. `x-expected` says in
words what a pattern says to machines, `x-ignored-when` which value of another setting makes this one mean nothing.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

#: When Ultralytics chooses the optimiser it chooses these too.
_AUTO = {"optimizer": "auto"}


def _setting(
    view: str, text: str, unit: str, expected: str = "", ignored: Mapping[str, Any] | None = None, **limits: Any
) -> Any:
    told = {"x-view": view, "x-unit": unit, "x-expected": expected, "x-ignored-when": ignored}
    extra = {key: value for key, value in told.items() if value}
    return Field(description=text, json_schema_extra=extra, **limits)


def _user(text: str, unit: str = "", **limits: Any) -> Any:
    return _setting("user", text, unit, **limits)


def _developer(text: str, unit: str = "", **limits: Any) -> Any:
    return _setting("developer", text, unit, **limits)


def _text(device: Any) -> Any:
    return str(device) if type(device) is int else device


_DeviceName = Annotated[str, Field(pattern=r"^(auto|cpu|cuda|mps|\d{1,3})$")]
#: An index may come as a number: `--set device=0` means nothing else.
Device = Annotated[
    _DeviceName,
    BeforeValidator(_text, json_schema_input_type=_DeviceName | Annotated[int, Field(ge=0, le=999)]),
]
Share = Annotated[float, Field(ge=0, le=1)]
Gain = Annotated[float, Field(ge=0, le=1000)]


class RunConfig(BaseModel):
    """What every task has. Unknown names are refused, because a typo must not be dropped in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # The run
    epochs: int = _user("How often every training image is seen", default=100, ge=1, le=10_000)
    batch: int = _user("Images per step; all there are, if they are fewer", "images", default=16, ge=1, le=65_536)
    imgsz: int = _user("Side of the square that the model sees", "pixels", default=640, ge=32, le=4096, multiple_of=32)
    patience: int = _user("Stop after so many epochs without a better model; 0: never", "epochs", default=100, ge=0)
    seed: int = _user("The same seed gives the same numbers on the same machine", default=0, ge=0, lt=2**31)
    pretrained: bool = _user(
        "Begin from Ultralytics' weights, which must lie in the weights folder; nothing is downloaded", default=False
    )
    freeze: int = _user("Leading layers of the network that are not trained", "layers", default=0, ge=0, le=100)

    # The optimiser
    optimizer: Literal["auto", "SGD", "MuSGD", "Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSProp"] = _user(
        "How weights follow gradients; auto also chooses lr0 and momentum", default="auto"
    )
    lr0: float = _user(
        "Learning rate after warm-up; about 0.001 for AdamW, 0.01 for SGD; auto ignores it",
        default=0.01,
        gt=0,
        le=10,
        ignored=_AUTO,
    )
    lrf: float = _developer("Last learning rate, as a share of lr0", default=0.01, ge=0, le=1)
    momentum: float = _developer("SGD's momentum; Adam's beta1", default=0.937, ge=0, lt=1, ignored=_AUTO)
    weight_decay: float = _user("Weight decay; biases and normalisation are spared", default=0.0005, ge=0, le=1)
    warmup_epochs: float = _user("The learning rate climbs to lr0 during these", "epochs", default=3.0, ge=0)
    warmup_momentum: float = _developer("Momentum when warm-up begins", default=0.8, ge=0, lt=1)
    warmup_bias_lr: float = _developer("Learning rate of biases when warm-up begins", default=0.1, ge=0, le=10)
    cos_lr: bool = _user("The learning rate falls along a cosine instead of a line", default=False)
    nbs: int = _developer(
        "Nominal batch: smaller batches are gathered to about so many images for one step of the optimiser",
        "images",
        default=64,
        ge=1,
        le=65_536,
    )

    # Augmentation of training images
    hsv_h: Share = _user("Greatest turn of the hue, as a share of the colour circle", default=0.015)
    hsv_s: Share = _user("Greatest change of saturation", default=0.7)
    hsv_v: Share = _user("Greatest change of brightness", default=0.4)
    scale: Share = _user("Greatest change of size, as a share", default=0.5)
    flipud: Share = _user("Chance of an upside-down flip", default=0.0)
    fliplr: Share = _user("Chance of a left-right flip; 0 where sides matter, as in digits", default=0.5)

    # Machine
    device: Device = _user(
        "auto, cpu, cuda, mps, or a CUDA index; auto takes what the job was given",
        expected="auto, cpu, cuda, mps or one CUDA index such as 0",
        default="auto",
    )
    amp: Literal["auto", "off", "bf16", "fp16"] = _user(
        "Mixed precision; auto chooses by what the hardware has", default="auto"
    )
    workers: int = _developer(
        "Processes that decode images for a GPU; on a CPU the training process does it", default=4, ge=0, le=256
    )
    cache: Literal["off", "ram"] = _developer("ram keeps the decoded images in memory", default="off")
    deterministic: bool = _developer("Ask for repeatable kernels; slower on a GPU", default=True)

    # What is kept
    save_every_epochs: int = _developer("Checkpoint every so many epochs", "epochs", default=1, ge=1)
    keep_checkpoints: int = _developer("Newest checkpoints kept besides the best one", default=2, ge=1, le=1000)
    plots: bool = _user("Draw curves, the confusion matrix and examples", default=True)
    exports: tuple[Literal["onnx", "torchscript", "openvino"], ...] = _user(
        "Deployable forms to make; openvino only where its package is installed", default=("onnx", "torchscript")
    )
    export_tolerance: float = _developer(
        "Greatest difference of a raw output between the model and its export, as a share of the greatest output",
        default=0.001,
        gt=0,
    )


class DetectionConfig(RunConfig):
    """Boxes upright in the image."""

    model_config = ConfigDict(title="Object detection")

    close_mosaic: int = _user("The last so many epochs are trained without mosaic", "epochs", default=10, ge=0)
    multi_scale: Share = _developer("Greatest change of imgsz from step to step, as a share", default=0.0)
    degrees: float = _user("Greatest rotation to either side", "degrees", default=0.0, ge=0, le=180)
    translate: Share = _user("Greatest shift, as a share of the side", default=0.1)
    shear: float = _user("Greatest shear to either side", "degrees", default=0.0, ge=0, le=180)
    perspective: float = _developer("Greatest perspective", default=0.0, ge=0, le=0.001)
    mosaic: Share = _user("Chance that four images become one", default=1.0)
    mixup: Share = _user("Chance that two images are blended", default=0.0)
    cutmix: Share = _user("Chance that a part of another image is put in", default=0.0)
    bgr: Share = _developer("Chance that red and blue change places", default=0.0)
    box: Gain = _developer("Weight of the box loss", default=7.5)
    cls: Gain = _developer("Weight of the classification loss", default=0.5)
    dfl: Gain = _developer("Weight of the distribution focal loss", default=1.5)
    max_det: int = _developer("Most objects that the model finds in an image", "objects", default=300, ge=1, le=10_000)
    iou: float = _developer("Overlap from which two boxes are one object", default=0.7, gt=0, lt=1)


class SegmentationConfig(DetectionConfig):
    """An outline for each object."""

    model_config = ConfigDict(title="Instance segmentation")

    copy_paste: Share = _user("Chance that objects are copied into other images", default=0.0)
    overlap_mask: bool = _developer("Merge the masks of an image while training", default=True)
    mask_ratio: int = _developer("By how much masks are made smaller while training", default=4, ge=1, le=16)


class PoseConfig(DetectionConfig):
    """Keypoints for each object."""

    model_config = ConfigDict(title="Keypoint detection")

    pose: Gain = _developer("Weight of the keypoint loss", default=12.0)
    kobj: Gain = _developer("Weight of whether a keypoint is there", default=1.0)
    rle: Gain = _developer("Weight of the residual log-likelihood loss, for YOLO26", default=1.0)


class OrientedConfig(DetectionConfig):
    """Boxes that may be turned."""

    model_config = ConfigDict(title="Oriented detection")

    imgsz: int = _user("Side of the square that the model sees", "pixels", default=1024, ge=32, le=4096, multiple_of=32)
    angle: Gain = _developer("Weight of the angle loss, for YOLO26", default=1.0)


class ClassificationConfig(RunConfig):
    """One class for the whole image."""

    model_config = ConfigDict(title="Image classification")

    imgsz: int = _user("Side of the square that the model sees", "pixels", default=224, ge=32, le=4096, multiple_of=32)
    auto_augment: Literal["off", "randaugment", "autoaugment", "augmix"] = _user(
        "Automatic augmentation policy", default="randaugment"
    )
    erasing: float = _user("Chance that a random rectangle is erased", default=0.4, ge=0, le=1)
    dropout: float = _developer("Share of the head's inputs that are dropped while training", default=0.0, ge=0, lt=1)
