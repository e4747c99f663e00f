"""What inspecting a data set found, and the immutable version that an import makes of it."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, FiniteFloat, model_validator

from eyebright_wire.model import UNSHOWABLE, RequestModel, WireModel

_NAMED = 5  # how many classes a message lists by name


class Split(StrEnum):
    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Finding(WireModel):
    """Something worth knowing about the data: stable `code`, how often, where first, what training would do about it."""

    code: str
    severity: Severity
    message: str
    count: int = 1
    examples: tuple[str, ...] = ()  # paths inside the source, with the line where there is one, at most ten
    consequence: str = ""  # what training would do about it


class Readiness(WireModel):
    """Can this data set serve the task? If not, the exact missing conditions."""

    task: str
    ready: bool
    missing: tuple[str, ...] = ()


class ImageSizes(WireModel):
    """Widths and heights in pixels over all images."""

    narrowest: int
    widest: int
    lowest: int
    highest: int


class SamplePicture(WireModel):
    """One image of a set, picked to give an impression. `sha256` names its bytes once the set is stored."""

    source: str
    sha256: str
    split: Split
    width: int
    height: int
    classes: tuple[str, ...] = ()  # that are in it
    caption: str | None = None


class ObjectView(WireModel):
    """One object in a stored image, in pixels of it."""

    class_name: str
    box: tuple[float, float, float, float]  # left, top, width, height
    kinds: tuple[str, ...] = ()  # what else is known: outline, keypoints, corners, crowd
    attributes: dict[str, str | int | float | bool] = Field(default_factory=dict)


class PictureView(WireModel):
    """One image of a version, by its number in it."""

    number: int
    source: str
    sha256: str
    split: Split
    width: int
    height: int
    class_name: str | None = None  # of the whole image
    objects: tuple[ObjectView, ...] = ()
    has_mask: bool = False
    caption: str | None = None


class Changes(WireModel):
    """What a version was changed or left out against its source, by reason. The whole list is a blob: JSON lines."""

    count: int
    by_code: dict[str, int]
    sha256: str


class DatasetReport(WireModel):
    """The outcome of inspecting a folder or archive: nothing is stored, nothing is changed."""

    format: str
    classes: tuple[str, ...]
    images: dict[str, int]  # split -> images
    images_per_class: dict[str, dict[str, int]]  # split -> class -> images that show it
    size_bytes: int = 0
    findings: tuple[Finding, ...] = ()
    readiness: tuple[Readiness, ...] = ()
    instances_per_class: dict[str, dict[str, int]] = Field(default_factory=dict)  # split -> class -> objects
    captions: int = 0  # images that have one
    image_sizes: ImageSizes | None = None
    samples: tuple[SamplePicture, ...] = ()
    changes: Changes | None = None

    def ready_for(self, task: str) -> Readiness:
        found = next((r for r in self.readiness if r.task == task), None)
        return found or Readiness(task=task, ready=False, missing=(self._unserved(task),))

    def _unserved(self, task: str) -> str:
        """The same images could well be drawn after, so that is told how."""
        said = f"{self.format} data cannot serve {task}"
        if task != "text_to_image":
            return said
        more = f" and {len(self.classes) - _NAMED:,} more" if len(self.classes) > _NAMED else ""
        classes = f" ({', '.join(self.classes[:_NAMED])}{more})" if self.classes else ""
        return (
            f"{said}: it tells classes{classes}, and a LoRA learns from captions; put the images side by side into one folder, "
            "each with its caption beside it (1.txt beside 1.jpg) or all captions in a metadata.jsonl, and import that; "
            "with a trigger word no image needs a caption"
        )

    @property
    def ready_tasks(self) -> tuple[str, ...]:
        return tuple(readiness.task for readiness in self.readiness if readiness.ready)


class SplitPlan(RequestModel):
    """Which image goes where: by shares, drawn by content so that equal images stay together, or by lists of names."""

    shares: dict[Split, FiniteFloat] | None = Field(default=None, description='Such as {"train": 0.8, "val": 0.2}')
    lists: dict[Split, tuple[str, ...]] | None = Field(
        default=None,
        description="Names or patterns (val/*.jpg) of images as the report shows them; others keep their split",
    )
    stratified: bool = Field(default=True, description="Draw from each class alike")
    seed: int = 0

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.shares is None) == (self.lists is None):
            raise ValueError("splits are made by `shares` or by `lists`; give one of them")
        if self.shares is not None and (
            min(self.shares.values(), default=-1) < 0 or abs(sum(self.shares.values()) - 1) > 1e-6
        ):
            raise ValueError(
                f"the shares of the splits add up to {sum(self.shares.values()):g}; expected 1, none below 0"
            )
        return self


class Fix(StrEnum):
    """What a version can be mended of, by the code of the finding."""

    BOX_OUT_OF_RANGE = "box_out_of_range"  # cut to the image
    BOX_WITHOUT_AREA = "box_without_area"  # removed
    BOX_OUTSIDE = "box_outside"  # removed
    DUPLICATE_BOXES = "duplicate_boxes"  # all but one removed
    DUPLICATE_IMAGES = "duplicate_images"  # all but one removed
    LEAKED_IMAGES = "leaked_images"  # removed from train, or from val when they are also in test
    NEAR_LEAKS = "near_leaks"  # likewise
    MISSING_CAPTION = "missing_caption"  # the image removed
    BROKEN = "broken"  # files that cannot be used left out, with the images they describe


def _is_class_name(name: str) -> str:
    if not name.strip() or UNSHOWABLE.search(name):
        raise ValueError(f"{name!r} is no name for a class; expected a word or more, without control characters")
    return name


#: What a class may be renamed to.
ClassName = Annotated[str, AfterValidator(_is_class_name)]


class DatasetPlan(RequestModel):
    """What to make of a data set while it becomes a version. Whatever is left out or changed is listed with the version."""

    rename: dict[str, ClassName] = Field(
        default_factory=dict, description="Old class name to new; two that get the same name become one class"
    )
    drop: tuple[str, ...] = Field(default=(), description="Classes to leave out, with their objects")
    splits: SplitPlan | None = None
    include: tuple[str, ...] = Field(default=(), description="Only images whose name matches one of these patterns")
    exclude: tuple[str, ...] = Field(default=(), description="No image whose name matches one of these patterns")
    only_annotated: bool = Field(default=False, description="Leave out images that show no object of any class")
    min_box_pixels: FiniteFloat = Field(default=0, ge=0, description="Leave out objects whose shorter side is smaller")
    fix: tuple[Fix, ...] = ()

    @model_validator(mode="after")
    def _one_wish_for_a_class(self) -> Self:
        if both := self.rename.keys() & set(self.drop):
            raise ValueError(f"the class {min(both)!r} is both renamed and dropped; choose one")
        return self
