"""A Stable Diffusion in a repository of Hugging Face's hub: fetched once, file by file, or found where it was fetched before."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open

from eyebright_diffusion.folder import Folder
from eyebright_kit.disk import is_full
from eyebright_kit.errors import ConfigInvalid, DiskFull
from eyebright_torch.published import download

#: The smallest first: without a network the first one says so.
FILES = (
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
)


@dataclass(frozen=True)
class Repository:
    name: str  # "owner/name"

    def cached(self) -> Path | None:
        """Where the hub's own client has put it, if it has. Never asks a network.

        The client answers with its folder whatever has come, as after a download that broke or one of a single file.
        """
        try:
            found = Path(snapshot_download(self.name, local_files_only=True))
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
            return None
        return found if Folder(found).is_whole() else None

    def fetch(self, into: Path) -> Path:
        """All files, below `into`, which is there whole or not at all; what was fetched before a failure is not fetched again.

        Raises ConfigInvalid when they are not to be had, saying which files belong where; DiskFull without room.
        """
        halfway = into.with_name(f".{into.name}.part")
        for file in FILES:
            if not (halfway / file).exists() and not into.is_dir():  # another run may be quicker
                self._fetch(file, halfway / file, into)
        try:
            halfway.rename(into)
        except OSError:  # another run was quicker
            if not into.is_dir():
                raise
        return into

    def _fetch(self, file: str, to: Path, into: Path) -> None:
        url = f"https://huggingface.co/{self.name}/resolve/main/{file}"
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            download(url, to)
            _check_whole(to)
        except OSError as error:  # URLError and time-outs are OSErrors
            if into.is_dir():
                return
            if is_full(error):
                raise DiskFull(
                    f"no room left in {to.parent} for {file} of {self.name}; free space there and retry"
                ) from error
            why = getattr(error, "reason", error)
            raise ConfigInvalid(
                f"the base model {self.name} is not on this machine and cannot be downloaded ({why}). "
                f"Put these files of https://huggingface.co/{self.name} below {into}: {', '.join(FILES)}; "
                f"or try everything out with model=tiny, which needs none"
            ) from error


def _check_whole(file: Path) -> None:
    """Raises ConnectionError, and takes away a file that is shorter than it says: what is left of a line that broke looks whole
    to the client, which counts no bytes."""
    if file.suffix != ".safetensors":
        return
    try:
        with safe_open(file, framework="pt"):
            pass
    except SafetensorError as error:
        file.unlink()
        raise ConnectionError(f"{file.name} came incomplete: {error}") from error
