"""`eyebright openapi`."""

from eyebright.cli.terminal import emit
from eyebright.cli.verbs import example, single

app = single()


@app.command(epilog=example("eyebright openapi > openapi.json\neyebright openapi | jq '.paths | keys'"))
def openapi() -> None:
    """Print the OpenAPI document of the HTTP API. Needs no server."""
    from eyebright.website import openapi as document

    emit(document())
