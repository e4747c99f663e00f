"""What authors of trainers and formats test against. Needs the extra: `eyebright-kit[testing]`."""

from eyebright_kit.data.conformance import FormatConformance
from eyebright_kit.testing.ingest import IngestServer
from eyebright_kit.testing.task import TaskConformance
from eyebright_kit.testing.trainer import TrainerConformance

__all__ = ["FormatConformance", "IngestServer", "TaskConformance", "TrainerConformance"]
