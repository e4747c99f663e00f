"""The settings of a LoRA run, and the JSON Schema made from them."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from eyebright_torch.config import LoopConfig, Probability, developer, user

_LINE = {"x-expected": "one line of at most 300 characters"}
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=300, json_schema_extra=_LINE)]

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*"  # two points are never side by side, so that no name climbs
_BASE_MODEL = rf"^(|{_NAME}(/{_NAME})?|(s3|gs|az)://[^\x00-\x1f\x7f]+)$"


class LoraConfig(LoopConfig):
    """Every setting of a run. Unknown names are refused, because a typo must not be dropped in silence."""

    model_config = ConfigDict(title="LoRA for Stable Diffusion")
    rate_name: ClassVar[str] = "learning_rate"
    side_name: ClassVar[str] = "resolution"

    # What is learned
    base_model: str = user(
        "The weights to begin from: a hub's id, or the name of a folder among the operator's base models; "
        "empty: the model's own",
        default="",
        pattern=_BASE_MODEL,
        max_length=300,
        expected="a folder's name among the base models, owner/name of a hub, or a folder in a bucket, such as "
        "s3://bucket/folder/",
        not_with_models=("tiny",),
    )
    trigger: Line = user(
        "The word that calls what is learned; an image without a caption is called by it",
        default="",
        needed_without="captions",
    )
    rank: int = user("How many directions each adapted matrix may move in", default=8, ge=1, le=512)
    alpha: float = user("Strength: what is learned is scaled by alpha / rank", default=32.0, gt=0, le=4096)
    train_text_encoder: bool = user(
        "Adapt the text encoder too; it then stays in memory, and slows each step", default=False
    )
    dropout: Probability = developer("Dropout within the adapters", default=0.0)

    # The run
    epochs: int = user("How often every training image is seen", default=100, ge=1, le=10_000)
    batch: int = user("Images per step, all of one aspect ratio", "images", default=1, ge=1, le=256)
    accumulate: int = user("Batches that one optimiser step learns from", default=1, ge=1, le=1024)
    resolution: int = user(
        "Side of a square picture; others have as many pixels in their own aspect ratio",
        "pixels",
        default=512,
        ge=64,
        le=2048,
        multiple_of=64,
    )
    patience: int = user(
        "Stop after so many epochs without a better model on the validation split, as of the last evaluation; 0: never",
        "epochs",
        default=0,
        ge=0,
    )

    # The objective
    min_snr_gamma: float = user(
        "Min-SNR weighting: weighs timesteps by their signal-to-noise ratio, at most by this; about 5. 0: off",
        default=0.0,
        ge=0,
        le=100,
    )
    noise_offset: float = user(
        "Adds a shift of each channel to the noise, for darker and brighter pictures; about 0.05. 0: off",
        default=0.0,
        ge=0,
        le=1,
    )

    # The optimiser
    optimizer: Literal["auto", "AdamW", "AdamW8bit"] = user(
        "AdamW, or the same with a memory of 8 bits; auto: that where bitsandbytes and CUDA are", default="auto"
    )
    learning_rate: float = user("Learning rate after warm-up", default=1e-4, gt=0, le=1)
    schedule: Literal["cosine", "step", "constant"] = user("How the learning rate falls", default="constant")
    warmup_epochs: float = user("The learning rate climbs during these", "epochs", default=0.0, ge=0)
    weight_decay: float = user("Weight decay", default=0.01, ge=0, le=1)
    grad_clip: float = developer("Greatest norm of a step's gradient; 0: no limit", default=1.0, ge=0)
    ema: bool = user("Keep a moving average of the weights", default=False)

    # Machine
    gradient_checkpointing: bool = user(
        "Compute activations twice instead of keeping them: less memory, slower steps", default=True
    )

    # Pictures on the way
    validation_prompts: Annotated[tuple[Line, ...], Field(max_length=16)] = user(
        "Prompts to draw pictures of while training and at its end", default=()
    )
    validation_every_epochs: int = user(
        "Draw them after every so many epochs; 0: only at the end", "epochs", default=10, ge=0
    )
    validation_steps: int = developer("Denoising steps of such a picture", default=25, ge=1, le=1000)
    guidance_scale: float = developer("How strictly such a picture follows its prompt", default=7.5, ge=1, le=50)

    # What is kept
    save_every_epochs: int = user(
        "Evaluate and checkpoint after every so many epochs, and at the end", "epochs", default=10, ge=1
    )

    def closes(self, epoch: int) -> bool:
        return epoch == self.epochs or epoch % self.save_every_epochs == 0 or self.draws(epoch)

    def draws(self, epoch: int) -> bool:
        """Whether pictures are drawn after this epoch."""
        every = self.validation_every_epochs if self.validation_prompts else 0
        return every > 0 and epoch % every == 0

    @model_validator(mode="after")
    def _patient_enough(self) -> Self:
        if 0 < self.patience < self.save_every_epochs:
            raise ValueError(
                f"patience={self.patience} is less than save_every_epochs={self.save_every_epochs}, after which models are "
                f"compared; set patience={self.save_every_epochs} or more, or lower save_every_epochs"
            )
        return self
