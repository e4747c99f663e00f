"""Project Training: the API of tools whose projects have folders of their own."""

from eyebright.doors.compat.project_training.door import ProjectTrainingDoor

__all__ = ["ProjectTrainingDoor"]
