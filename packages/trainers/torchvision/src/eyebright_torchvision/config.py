"""The settings of a classification run: name, default, range, unit and help of each, and the JSON Schema made from them.

`x-view` says who is meant to meet a setting: every `user`, or the `developer` who asks for all of them. `x-expected` says in
words what a pattern says to machines.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _setting(view: str, text: str, unit: str, expected: str = "", **limits: Any) -> Any:
    told = {"x-view": view, "x-unit": unit, "x-expected": expected}
    extra = {key: value for key, value in told.items() if value}
    return Field(description=text, json_schema_extra=extra, **limits)


def _user(text: str, unit: str = "", **limits: Any) -> Any:
    return _setting("user", text, unit, **limits)


def _developer(text: str, unit: str = "", **limits: Any) -> Any:
    return _setting("developer", text, unit, **limits)


def _text(device: Any) -> Any:
    return str(device) if type(device) is int else device


_DeviceName = Annotated[str, Field(pattern=r"^(auto|cpu|cuda|mps|\d{1,3}(,\d{1,3})*)$")]
#: A single index may come as a number: `--set device=0` means nothing else.
Device = Annotated[
    _DeviceName,
    BeforeValidator(_text, json_schema_input_type=_DeviceName | Annotated[int, Field(ge=0, le=999)]),
]
Probability = Annotated[float, Field(ge=0, le=1)]
Jitter = Annotated[float, Field(ge=0, le=1)]


class ClassificationConfig(BaseModel):
    """Every setting of a run. Unknown names are refused, because a typo must not be dropped in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, title="Image classification")

    # The run
    epochs: int = _user("How often every training image is seen", default=30, ge=1, le=10_000)
    batch: int = _user(
        "Images per optimiser step, over all processes; all there are, if they are fewer",
        "images",
        default=32,
        ge=2,
        le=65_536,
    )
    imgsz: int = _user("Side of the square that the model sees", "pixels", default=224, ge=32, le=1024)
    patience: int = _user("Stop after so many epochs without a better model; 0: never", "epochs", default=20, ge=0)
    seed: int = _user("The same seed gives the same numbers on the same machine", default=0, ge=0, lt=2**63)
    pretrained: bool = _user(
        "Begin from ImageNet weights; they are downloaded once, or put in place by hand", default=False
    )
    freeze: Annotated[int, Field(ge=0, le=50)] | Literal["backbone"] = _user(
        'Leading stages of the network that are not trained; "backbone": all but the new head', default=0
    )

    # The optimiser
    optimizer: Literal["Adam", "AdamW", "SGD"] = _user("How weights follow gradients", default="AdamW")
    lr0: float = _user(
        "Learning rate after warm-up; about 0.001 for Adam and AdamW, 0.05 for SGD", default=0.001, gt=0, le=10
    )
    lrf: float = _developer("Last learning rate of the cosine schedule, as a share of lr0", default=0.01, ge=0, le=1)
    momentum: float = _developer("SGD's momentum; Adam's beta1", default=0.9, ge=0, lt=1)
    weight_decay: float = _user("Weight decay; biases and normalisation are spared", default=0.01, ge=0, le=1)
    schedule: Literal["cosine", "step", "constant"] = _user("How the learning rate falls", default="cosine")
    warmup_epochs: float = _user("The learning rate climbs to lr0 during these", "epochs", default=1.0, ge=0)
    step_every: int = _developer("Schedule step: epochs between drops; 0: a third of all", "epochs", default=0, ge=0)
    step_gamma: float = _developer("Schedule step: what each drop multiplies by", default=0.1, gt=0, le=1)
    label_smoothing: float = _user("Share of the target spread over all classes", default=0.05, ge=0, lt=1)
    grad_clip: float = _developer("Greatest norm of a step's gradient; 0: no limit", default=0.0, ge=0)
    ema: bool = _user("Evaluate and keep a moving average of the weights", default=True)
    ema_decay: float = _developer("How slowly the average follows, once it is warm", default=0.999, ge=0, lt=1)

    # Augmentation of training images
    flip: Probability = _user("Chance of a left-right flip; 0 where sides matter, as in digits", default=0.5)
    flip_vertical: Probability = _user("Chance of an upside-down flip", default=0.0)
    crop_scale: float = _user(
        "Smallest share of the image that a random crop keeps; 1: no crops", default=0.5, gt=0, le=1
    )
    rotate: float = _user("Greatest rotation to either side", "degrees", default=0.0, ge=0, le=180)
    translate: float = _user("Greatest shift, as a share of the side", default=0.0, ge=0, le=0.5)
    brightness: Jitter = _user("Greatest change of brightness", default=0.2)
    contrast: Jitter = _user("Greatest change of contrast", default=0.2)
    saturation: Jitter = _user("Greatest change of saturation", default=0.2)
    hue: float = _user("Greatest turn of the hue, as a share of the colour circle", default=0.0, ge=0, le=0.5)
    randaugment: int = _user("RandAugment: operations per image; 0: off", default=0, ge=0, le=8)
    randaugment_magnitude: int = _developer("RandAugment: how strong each one is", default=9, ge=0, le=30)
    erasing: Probability = _user("Chance that a random rectangle is erased", default=0.0)

    # Machine
    device: Device = _user(
        'auto, cpu, cuda, mps, or CUDA indices such as "0,1"; auto takes what the job was given',
        expected="auto, cpu, cuda, mps or CUDA indices such as 0,1",
        default="auto",
    )
    processes: int = _developer("Training processes; 0: one for each device", default=0, ge=0, le=256)
    amp: Literal["auto", "off", "bf16", "fp16"] = _user(
        "Mixed precision; auto chooses by what the hardware has", default="auto"
    )
    workers: int = _developer("Threads that decode images; 0: as many as the job has cores", default=0, ge=0, le=256)
    cache: Literal["auto", "off"] = _developer(
        "auto decodes each image once and keeps it resized, in memory or on disk, where it fits", default="auto"
    )
    fit: Literal["crop", "stretch", "pad"] = _developer(
        "How an oblong image becomes a square: cut off the ends, squeeze, or add bars", default="crop"
    )
    deterministic: bool = _developer("Ask CUDA for repeatable kernels too; slower", default=False)

    # What is kept
    save_every_steps: int = _developer(
        "Checkpoint every so many steps besides each epoch; 0: never", "steps", default=0, ge=0
    )
    keep_checkpoints: int = _developer("Newest checkpoints kept besides the best one", default=2, ge=1, le=1000)
    exports: tuple[Literal["onnx"], ...] = _user("Deployable forms to make", default=("onnx",))
    export_tolerance: float = _developer(
        "Greatest difference of a raw output between the model and its export", default=0.001, gt=0
    )

    @property
    def augments_geometry(self) -> bool:
        return self.crop_scale < 1 or self.rotate > 0 or self.translate > 0

    @property
    def augments_colour(self) -> bool:
        return max(self.brightness, self.contrast, self.saturation, self.hue) > 0
