"""Training Agent: the API by which a system of agents has the projects in its database trained."""

from eyebright.doors.compat.training_agent.door import TrainingAgentDoor

__all__ = ["TrainingAgentDoor"]
