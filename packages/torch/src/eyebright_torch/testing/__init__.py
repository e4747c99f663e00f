"""What this package and the trainers that stand on it are tested with. `fixtures` is a plugin of pytest."""

from eyebright_torch.testing.job import TINY, Job, JobAt, Killed, NotingDesk, copy_of, make_images, make_scenes

__all__ = ["TINY", "Job", "JobAt", "Killed", "NotingDesk", "copy_of", "make_images", "make_scenes"]
