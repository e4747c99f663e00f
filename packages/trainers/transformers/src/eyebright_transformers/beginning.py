"""Models that begin from somebody's weights, under the names of today's library or of an earlier one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from transformers import PreTrainedModel
from transformers.configuration_utils import PretrainedConfig
from transformers.utils import logging

from eyebright_torch.weights import Pretrained

M = TypeVar("M", bound=PreTrainedModel)
_COUNTER = ".num_batches_tracked"  # weights of frozen normalisation lack it, and nothing here asks it


def fresh(kind: type[M], architecture: PretrainedConfig) -> M:
    """A model of `kind`, whose first parent is the library's own class, with the random weights that the library gives to that
    one: it passes over what is derived elsewhere."""
    model = kind(architecture)
    model.load_state_dict(kind.__mro__[1](architecture).state_dict())
    return model


def begun(kind: type[M], architecture: PretrainedConfig, pretrained: Pretrained, head: str | tuple[str, ...]) -> M:
    """A model of `kind`, whose first parent is the library's own class. The head (all names that begin so) begins from random
    numbers of torch's global generator: as many classes are not the same classes.

    Raises ConfigInvalid where anything else is missing or of another shape: these are not the weights of such a model.
    """
    library = kind.__mro__[1]  # weights of earlier versions are renamed by the names of the library's own classes
    with _quiet():
        found, told = library.from_pretrained(
            None,
            config=architecture,
            state_dict={name: tensor for name, tensor in pretrained.tensors.items() if not name.startswith(head)},
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    unlike = (*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"]))
    pretrained.refuse_unlike(name for name in unlike if not name.startswith(head) and not name.endswith(_COUNTER))
    model = kind(architecture)
    model.load_state_dict(found.state_dict())
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's bar and table, which tell of the head what everybody expects."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()
