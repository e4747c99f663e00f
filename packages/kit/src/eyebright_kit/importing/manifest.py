"""What the importer says about itself."""

from importlib.metadata import version

from eyebright_kit.importing.order import ImportOrder
from eyebright_wire.jobs import IMPORTER
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

TASK = "import"
MODEL = "dataset"

MANIFEST = TrainerManifest(
    name=IMPORTER,
    version=version("eyebright-kit"),
    module="eyebright_kit.importing",
    licence="Apache-2.0",
    description="Makes data set versions. It comes with the server.",
    tasks=(
        TaskInfo(
            name=TASK,
            models=(ModelInfo(name=MODEL, description="An immutable version of a data set"),),
            default_model=MODEL,
            config_schema=ImportOrder.model_json_schema(),
            recipe={},
        ),
    ),
)
