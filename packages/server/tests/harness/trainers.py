"""A folder of trainers whose interpreters, and the `uv` that installs them, are shell scripts."""

from dataclasses import dataclass, field
from pathlib import Path

from eyebright.catalog.source import TrainerSource
from eyebright.catalog.trainers import CatalogSettings, TrainerCatalog
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

#: Makes the environment whose interpreter answers each verb with what the project's own files say.
SYNC = """
for argument in "$@"; do
  if [ "$previous" = --project ]; then project=$argument; fi
  previous=$argument
done
echo "$*" >> "$project/uv.log"
env >> "$project/uv.environ"
case " $* " in
  *" --check "*) cat "$project/plan" 2>/dev/null; [ ! -e "$project/plan" ]; exit ;;
esac
if [ -e "$project/broken" ]; then cat "$project/broken" >&2; exit 2; fi
echo "Resolved 3 packages in 1ms"
mkdir -p "$UV_PROJECT_ENVIRONMENT/bin"
cp "$project/python" "$UV_PROJECT_ENVIRONMENT/bin/python"
echo " + torch==2.15.0"
"""

ANSWER = """#!/bin/sh
echo "$*" >> "{project}/asked.log"
env > "{project}/asked.environ"
echo "a framework greets"
exec cat "{project}/src/$3.json"
"""


@dataclass
class Trainers:
    """Trainers made by `add`, and a catalogue over them."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    sources: list[TrainerSource] = field(default_factory=list)

    def add(self, name: str, rank: int = 50) -> Path:
        project = self.folder / name
        (project / "src").mkdir(parents=True)
        (project / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
        (project / "uv.lock").write_text("version = 1\n")
        (project / "python").write_text(ANSWER.format(project=project))
        (project / "python").chmod(0o755)
        self.describe(name)
        self.sources.append(TrainerSource(name, f"eyebright_{name}", Path(name), rank))
        return project

    def describe(self, name: str, version: str = "1.0") -> None:
        """What it says about itself from now on."""
        task = TaskInfo(
            name="classification",
            models=(ModelInfo(name="resnet18"),),
            default_model="resnet18",
            config_schema={},
            recipe={},
        )
        manifest = TrainerManifest(
            name=name, version=version, module=f"eyebright_{name}", licence="Apache-2.0", tasks=(task,)
        )
        (self.folder / name / "src" / "describe.json").write_text(manifest.model_dump_json() + "\n")

    def asked(self, name: str) -> int:
        """How often its interpreter was started."""
        log = self.folder / name / "asked.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def catalog(self, *, dev_tools: bool = False, remembered_seconds: float = 0) -> TrainerCatalog:
        """A new one, as after a restart."""
        settings = CatalogSettings(
            trainers_dir=self.folder,
            environment=self.variables,
            dev_tools=dev_tools,
            remembered_seconds=remembered_seconds,
        )
        return TrainerCatalog(self.sources, settings)
