"""The settings that every run has: name, default, range, unit and help of each; and the words with which a task adds its own.

`x-view` says who is meant to meet a setting: every `user`, or the `developer` who asks for all of them. `x-expected` says in
words what a pattern says to machines.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def user(text: str, unit: str = "", **limits: Any) -> Any:
    """A setting that everybody meets. `limits` are pydantic's: default, ge, lt, pattern …; `expected` says a pattern in words,
    `needed_without` what of the data it stands in for, `not_with_models` which models leave it no meaning."""
    return _setting("user", text, unit, **limits)


def developer(text: str, unit: str = "", **limits: Any) -> Any:
    """A setting for who asks for all of them."""
    return _setting("developer", text, unit, **limits)


def _setting(
    view: str,
    text: str,
    unit: str,
    expected: str = "",
    needed_without: str = "",
    not_with_models: tuple[str, ...] = (),
    **limits: Any,
) -> Any:
    told = {
        "x-view": view,
        "x-unit": unit,
        "x-expected": expected,
        "x-needed-without": needed_without,
        "x-not-with-models": list(not_with_models),
    }
    extra = {key: value for key, value in told.items() if value}
    return Field(description=text, json_schema_extra=extra, **limits)


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


class LoopConfig(BaseModel):
    """What the loop reads, whatever learns in it. Unknown names are refused, because a typo must not be dropped in silence.

    Derived settings may call the learning rate and the side of a picture as their own field does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    rate_name: ClassVar[str] = "lr0"
    side_name: ClassVar[str] = "imgsz"

    # The run
    epochs: int = user("How often every training image is seen", default=30, ge=1, le=10_000)
    batch: int = user("Images per optimiser step", "images", default=32, ge=1, le=65_536)
    patience: int = user("Stop after so many epochs without a better model; 0: never", "epochs", default=20, ge=0)
    seed: int = user("The same seed gives the same numbers on the same machine", default=0, ge=0, lt=2**63)

    # The optimiser
    lrf: float = developer(
        "Last learning rate of the cosine schedule, as a share of the first", default=0.01, ge=0, le=1
    )
    weight_decay: float = user("Weight decay; biases and normalisation are spared", default=0.01, ge=0, le=1)
    schedule: Literal["cosine", "step", "constant"] = user("How the learning rate falls", default="cosine")
    warmup_epochs: float = user("The learning rate climbs during these", "epochs", default=1.0, ge=0)
    step_every: int = developer("Schedule step: epochs between drops; 0: a third of all", "epochs", default=0, ge=0)
    step_gamma: float = developer("Schedule step: what each drop multiplies by", default=0.1, gt=0, le=1)
    grad_clip: float = developer("Greatest norm of a step's gradient; 0: no limit", default=0.0, ge=0)
    ema: bool = user("Evaluate and keep a moving average of the weights", default=True)
    ema_decay: float = developer("How slowly the average follows, once it is warm", default=0.999, ge=0, lt=1)

    # Machine
    device: Device = user(
        'auto, cpu, cuda, mps, or CUDA indices such as "0,1"; auto takes what the job was given',
        expected="auto, cpu, cuda, mps or CUDA indices such as 0,1",
        default="auto",
    )
    amp: Literal["auto", "off", "bf16", "fp16"] = user(
        "Mixed precision; auto chooses by what the hardware has", default="auto"
    )
    deterministic: bool = developer("Ask CUDA for repeatable kernels too; slower", default=False)

    # What is kept
    save_every_steps: int = developer(
        "Checkpoint every so many steps besides those after epochs; 0: never", "steps", default=0, ge=0
    )
    keep_checkpoints: int = developer("Newest checkpoints kept besides the best one", default=2, ge=1, le=1000)

    @property
    def rate(self) -> float:
        """The learning rate after warm-up."""
        return getattr(self, self.rate_name)

    @property
    def side(self) -> int:
        """Of the pictures that the model sees, in pixels."""
        return getattr(self, self.side_name)

    def closes(self, epoch: int) -> bool:
        """Whether an evaluation and a checkpoint come after this epoch."""
        return True


class RunConfig(LoopConfig):
    """What every run has that trains a model on images of one size and exports it."""

    # The run
    batch: int = user(
        "Images per optimiser step, over all processes; all there are, if they are fewer",
        "images",
        default=32,
        ge=2,
        le=65_536,
    )
    imgsz: int = user("Side of the square that the model sees", "pixels", default=224, ge=32, le=1024)

    # The optimiser
    optimizer: Literal["Adam", "AdamW", "SGD"] = user("How weights follow gradients", default="AdamW")
    lr0: float = user(
        "Learning rate after warm-up; about 0.001 for Adam and AdamW, 0.05 for SGD", default=0.001, gt=0, le=10
    )
    momentum: float = developer("SGD's momentum; Adam's beta1", default=0.9, ge=0, lt=1)

    # Machine
    processes: int = developer("Training processes; 0: one for each device", default=0, ge=0, le=256)
    workers: int = developer("Threads that decode images; 0: as many as the job has cores", default=0, ge=0, le=256)
    cache: Literal["auto", "off"] = developer(
        "auto decodes each image once and keeps it resized, in memory or on disk, where it fits", default="auto"
    )

    # What is kept
    exports: tuple[Literal["onnx"], ...] = user("Deployable forms to make", default=("onnx",))
    export_tolerance: float = developer(
        "Greatest difference of a raw output between the model and its export", default=0.001, gt=0
    )


class VisionConfig(RunConfig):
    """What every task on images has besides: what to begin from, and the changes to training images that all of them know."""

    # The model
    pretrained: bool = user(
        "Begin from published weights; they are downloaded once, or put in place by hand", default=False
    )
    freeze: Annotated[int, Field(ge=0, le=50)] | Literal["backbone"] = user(
        'Leading stages of the network that are not trained; "backbone": all but the new head', default=0
    )

    # Augmentation of training images
    flip: Probability = user("Chance of a left-right flip; 0 where sides matter, as in digits", default=0.5)
    flip_vertical: Probability = user("Chance of an upside-down flip", default=0.0)
    brightness: Jitter = user("Greatest change of brightness", default=0.2)
    contrast: Jitter = user("Greatest change of contrast", default=0.2)
    saturation: Jitter = user("Greatest change of saturation", default=0.2)
    hue: float = user("Greatest turn of the hue, as a share of the colour circle", default=0.0, ge=0, le=0.5)

    @property
    def augments_colour(self) -> bool:
        return max(self.brightness, self.contrast, self.saturation, self.hue) > 0


class PlacedConfig(VisionConfig):
    """Of tasks whose training images are cropped, shifted and turned as a whole."""

    crop_scale: float = user(
        "Smallest share of the image that a random crop keeps; 1: no crops", default=0.5, gt=0, le=1
    )
    rotate: float = user("Greatest rotation to either side", "degrees", default=0.0, ge=0, le=180)
    translate: float = user("Greatest shift, as a share of the side", default=0.0, ge=0, le=0.5)

    @property
    def augments_geometry(self) -> bool:
        return self.crop_scale < 1 or self.rotate > 0 or self.translate > 0
