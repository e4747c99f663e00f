"""The ways out of a refusal as an agent goes them: by a tool, or by its person where no tool does that."""

from eyebright.errors import EyebrightError, Way

WAYS = {
    Way.DATASETS: "`list_datasets` shows which there are",
    Way.JOBS: "`list_jobs` shows which there are",
    Way.MODELS: "`list_models` shows which there are",
    Way.ARTIFACTS: "`describe_job` tells what kind of job it is and how it stands",
    Way.NEW_KEY: "use a new key for a new order",
    Way.UPLOAD: "name a path on the server, or an address, instead",
    Way.DOWNLOAD: "its files are for your person to fetch: `eyebright models download {model}`",
    Way.UNALIAS: "it is for your person to point to another model, or to take the alias away first: {commands}",
}


def in_tools(error: EyebrightError) -> str:
    return error.said(WAYS)
