"""MMDetection, imported with our operators in place, without its chatter and without what it has no need of.

Every other module takes what it needs of mmdet, mmcv and mmengine from here, so that the order of imports is right everywhere.
"""

import sys
import warnings
from pathlib import Path
from types import ModuleType

from eyebright_mmdet import operators


def _leave_out_the_formatter() -> None:
    """mmengine prints configurations with it, we never do; importing it reads pickles in the user's cache, and leaves some."""
    formatter = ModuleType("yapf.yapflib.yapf_api")
    formatter.FormatCode = None  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules |= {
        "yapf": ModuleType("yapf"),
        "yapf.yapflib": ModuleType("yapf.yapflib"),
        formatter.__name__: formatter,
    }


operators.install()
_leave_out_the_formatter()
# What they warn each other of, and of old habits; nobody here can act on it.
warnings.filterwarnings("ignore", module=r"(mmcv|mmdet|mmengine)\.")
warnings.filterwarnings("ignore", "torch.meshgrid")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # moved names, and escapes in docstrings of files compiled for the first time
    import mmdet.models
    from mmdet.models.dense_heads import GFLHead as GFLHead
    from mmdet.models.dense_heads import YOLOXHead as YOLOXHead
    from mmdet.models.dense_heads.base_dense_head import BaseDenseHead as BaseDenseHead
    from mmdet.models.detectors import SingleStageDetector as SingleStageDetector
    from mmdet.registry import MODELS as MODELS
    from mmdet.structures import DetDataSample as DetDataSample
    from mmengine.config import Config as Config
    from mmengine.logging import MMLogger
    from mmengine.registry import DefaultScope
    from mmengine.structures import InstanceData as InstanceData

DefaultScope.get_instance("mmdet", scope_name="mmdet")  # where names are looked up
MMLogger.get_instance("mmengine").setLevel("ERROR")  # it tells of each tensor how it began


def shipped() -> Path:
    """The folder with what MMDetection ships besides code: its configurations and where their weights are published."""
    return Path(mmdet.__file__).parent / ".mim"
