"""How a trainer runs: `from eyebright_kit.runtime import Context, Result, Stopped, Trainer, main`."""

from eyebright_kit.runtime.context import Context, Parent, Restored, Result, Stopped, Trainer
from eyebright_kit.runtime.main import main
from eyebright_kit.runtime.stop import StopReason

__all__ = ["Context", "Parent", "Restored", "Result", "StopReason", "Stopped", "Trainer", "main"]
