"""Vision AI Training Platform: the API by which its callers order jobs, start them and are told how they stand."""

from eyebright.doors.compat.vision_platform.door import VisionPlatformDoor

__all__ = ["VisionPlatformDoor"]
