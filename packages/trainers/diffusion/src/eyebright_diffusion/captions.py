"""What each image is called, and what the text encoder makes of it."""

import logging
from collections.abc import Sequence

from transformers import CLIPTokenizer

from eyebright_kit.data.local import LocalSample
from eyebright_kit.errors import ConfigInvalid


def texts(samples: Sequence[LocalSample], trigger: str) -> list[str]:
    """Its caption; the trigger word where it has none. Raises ConfigInvalid when an image would have no text at all."""
    said = [(sample.caption or "").strip() or trigger.strip() for sample in samples]
    silent = [sample.source or sample.path.name for sample, text in zip(samples, said, strict=True) if not text]
    if silent:
        raise ConfigInvalid(
            f"{len(silent)} of {len(samples)} images have no caption, such as {silent[0]}, and there is no trigger word; set "
            "trigger to the word that shall call what is learned, or put a text file beside each image"
        )
    return said


def tell_cut(captions: Sequence[str], tokenizer: CLIPTokenizer, log: logging.Logger) -> None:
    """Says once which captions are longer than the encoder reads."""
    most = tokenizer.model_max_length
    counts = {text: len(tokenizer(text, truncation=False, verbose=False).input_ids) for text in dict.fromkeys(captions)}
    cut = [text for text, count in counts.items() if count > most]
    if cut:
        log.warning(
            "%d captions are longer than the %d tokens that the text encoder reads, and are cut there, such as %r",
            len(cut),
            most,
            cut[0][:80],
        )
