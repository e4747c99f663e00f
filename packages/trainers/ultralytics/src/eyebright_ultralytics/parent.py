"""Beginning from a registered model: read from its safetensors, so nothing of another run is unpickled.

Ultralytics takes weights from a file of its own form only: that is written here, in the run's scratch folder.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from eyebright_kit.runtime import Parent
from eyebright_ultralytics.inference import labels_of, network, untrained
from eyebright_ultralytics.tasks import Task
from eyebright_ultralytics.weights import Pretrained

_FILE = "model.safetensors"


def weights_of(parent: Parent, task: Task, classes: Sequence[str], into: Path) -> Pretrained:
    """The file to begin from. What tells the parent's classes apart goes on only if these are the very same."""
    same = tuple(classes) == parent.classes
    model = network(task, labels_of(parent.path), parent.path / _FILE) if same else _without_classes(task, parent)
    file = into / "parent.pt"
    torch.save({"model": model, "train_args": {}}, file)
    title = parent.title if same else f"{parent.title}, but for its head, which was for other classes"
    return Pretrained(file, parent.sha256[_FILE], f"{title}, the model {parent.id}")


def _without_classes(task: Task, parent: Parent) -> torch.nn.Module:
    """All but the tensors whose shape follows the number of classes; those begin afresh."""
    labels, tensors = labels_of(parent.path), load_file(parent.path / _FILE)
    with torch.random.fork_rng():
        model, other = (untrained(task, labels, len(parent.classes) + more) for more in (0, 1))
    wider = other.state_dict()
    model.load_state_dict(
        {name: tensors[name] if wider[name].shape == own.shape else own for name, own in model.state_dict().items()}
    )
    return model.eval()
