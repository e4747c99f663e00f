"""The composition root: settings in, running product out. The only place where the pieces meet.

`serve(settings)` is the whole server; `running(settings, parts, …)` is everything but its sockets and files, for tests.
"""

from eyebright.app.application import running
from eyebright.app.parts import Parts
from eyebright.app.serving import serve, serve_in

__all__ = ["Parts", "running", "serve", "serve_in"]
