"""Keeps Ultralytics inside the run's own folder and off the network: `put_up(folder)`, before it is first imported.

Left alone it reads and writes settings in the home folder, reports its use, asks whether it is the newest, installs packages
that it misses, and fetches a font, a data set whose name it does not find, and weights to try mixed precision with.
"""

import logging
import os
import shutil
import sys
from pathlib import Path

#: Each would report elsewhere.
_INTEGRATIONS = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")


def put_up(folder: Path) -> None:
    """Afterwards Ultralytics can be imported and used. `folder` takes its settings and fonts, and whatever it wants to keep.

    It reads its environment once, when it is imported: the first fence of a process is the one that counts.
    """
    own = folder / "Ultralytics"  # it adds this name to the folder of YOLO_CONFIG_DIR by itself
    own.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        YOLO_CONFIG_DIR=str(folder),
        YOLO_OFFLINE="true",
        YOLO_AUTOINSTALL="false",
        YOLO_VERBOSE="false",
        WANDB_MODE="disabled",
    )
    sys.modules["openvino_telemetry"] = None  # OpenVINO does without; with it, each export is told to Google Analytics
    _place_fonts(own)
    _settle(folder)


def _place_fonts(own: Path) -> None:
    """Under the names that it would download; matplotlib, which it needs anyway, brings a free font along."""
    from matplotlib import get_data_path

    font = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for name in ("Arial.ttf", "Arial.Unicode.ttf"):
        shutil.copyfile(font, own / name)


def _settle(folder: Path) -> None:
    from ultralytics import settings
    from ultralytics.engine import trainer
    from ultralytics.utils import LOGGER

    LOGGER.setLevel(logging.WARNING)
    for handler in LOGGER.handlers:
        handler.setLevel(logging.WARNING)
        handler.setStream(sys.stderr)  # on the standard output are answers
    settings.update(
        sync=False,
        vscode_msg=False,
        openvino_msg=False,
        datasets_dir=str(folder / "datasets"),
        weights_dir=str(folder / "weights"),
        runs_dir=str(folder / "runs"),
        **dict.fromkeys(_INTEGRATIONS, False),
    )
    trainer.check_amp = lambda model: True  # compares with weights that it downloads; hardware.py has chosen already
