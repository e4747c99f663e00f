import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from eyebright_torch.classification import export
from eyebright_torch.colour import normalised
from eyebright_torch.exporting import to_onnx
from eyebright_torch.preprocess import Preprocessing
from eyebright_torchvision import models
from eyebright_torchvision.manifest import MANIFEST
from eyebright_torchvision.trainer import TorchvisionTrainer

NAMES = [info.name for info in MANIFEST.tasks[0].models]
LABELS = {"classes": ["a", "b", "c"], "preprocessing": {"imgsz": 32}}
RULE = Preprocessing(32)
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
TRUE = np.array([0, 1, 2, 0, 1, 2, 0])


def trained(name: str) -> torch.nn.Module:
    """A network whose normalisation has seen something, so that a lost statistic would show."""
    torch.manual_seed(0)
    model = models.build(name, 3).train()
    with torch.no_grad():
        for _ in range(3):
            model(normalised(torch.from_numpy(PIXELS), RULE))
    return model.eval()


@pytest.mark.parametrize("name", NAMES)
def test_each_architecture_answers_alike_in_onnxruntime(name: str, tmp_path: Path):
    model = trained(name)
    with torch.inference_mode():
        logits = model(normalised(torch.from_numpy(PIXELS), RULE)).numpy()
    to_onnx(model, path := tmp_path / "model.onnx", 32, LABELS, ("logits",))
    certificate = export.certify(path, logits, TRUE, [PIXELS[:4], PIXELS[4:]], RULE, 1e-3, 1, lambda: None)
    assert (certificate.samples, certificate.agreement) == (7, 1)


def test_prediction_imports_no_framework(job):
    context = job.context(exports=["onnx"], epochs=1)
    TorchvisionTrainer().fit(context)
    image = context.data.samples("val")[0].path
    code = (
        "import sys; from eyebright_torchvision.trainer import TorchvisionTrainer as T; from pathlib import Path; "
        f"T().predict(Path({str(context.output)!r}), Path({str(image)!r})); "
        "sys.exit(sum(m.partition('.')[0] in ('torch', 'torchvision', 'matplotlib') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_normalising_is_what_torchvisions_weights_were_trained_with():
    from torchvision.transforms.v2 import functional

    theirs = functional.normalize(
        torch.from_numpy(PIXELS).permute(0, 3, 1, 2) / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    )
    assert torch.allclose(normalised(torch.from_numpy(PIXELS), RULE), theirs, atol=1e-5)
