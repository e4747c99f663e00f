"""The text that says what an image shows, as one line that is safe to show: `caption_of(text)`."""

import re

#: What a terminal obeys, and what makes a text read in another order than it is written. A caption is shown in many places.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def caption_of(text: str) -> str:
    """The text with every run of blanks and line breaks as one blank, which is all that text encoders make of them.

    Control characters and reordering marks are escaped, as in names: nothing is lost and nothing is obeyed. A caption of a
    caption is the same again.
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], " ".join(text.split()))
