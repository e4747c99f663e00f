"""A file that lists images by their addresses: one in each line, or JSON lines that say what it shows too.

    https://host/1.jpg
    {"url": "s3://bucket/2.jpg", "caption": "a cat"}

Empty lines, and those that begin with #, say nothing.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from eyebright.errors import InvalidRequest, NotFound
from eyebright_wire.resources import MOST_IMAGES, ImageSource

#: By which a file is known to be such a list.
ENDINGS = (".jsonl", ".txt")


def is_list(source: Path) -> bool:
    return source.suffix.lower() in ENDINGS and source.is_file()


def images_of(file: Path) -> tuple[ImageSource, ...]:
    """Raises NotFound, or InvalidRequest with the line that is no image's address."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            images = tuple(islice(_images(file, lines), MOST_IMAGES + 1))
    except FileNotFoundError:
        raise NotFound(f"no file {file}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file} cannot be read as a list of addresses: {error}") from None
    if not images:
        raise InvalidRequest(f"{file} lists no image; expected an address in each line, such as https://host/1.jpg")
    if len(images) > MOST_IMAGES:
        raise InvalidRequest(
            f"{file} lists more than {MOST_IMAGES:,} images, the most that one import fetches by list; lay them into one zip or "
            "one folder of a bucket, and import that"
        )
    return images


def _images(file: Path, lines: Iterator[str]) -> Iterator[ImageSource]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield _image(text, f"{file}:{number}")


def _image(text: str, where: str) -> ImageSource:
    try:
        image = ImageSource.model_validate_json(text) if text.startswith("{") else ImageSource(url=text)
    except ValidationError as error:
        problems = (": ".join((*map(str, each["loc"]), each["msg"])) for each in error.errors(include_url=False))
        raise InvalidRequest(
            f'{where}: {"; ".join(problems)}; expected {{"url": "https://…", "caption": "…"}}'
        ) from None
    if "://" not in image.url:
        raise InvalidRequest(f"{where} is no address; expected https://…, s3://…, gs://… or az://…")
    return image
