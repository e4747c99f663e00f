"""Where the broker is, and a connection to it."""

from aio_pika import connect
from aio_pika.abc import AbstractConnection
from aiormq.abc import FieldTable
from aiormq.exceptions import InvalidFrameError
from pamqp import decode
from yarl import URL

from eyebright.settings import AmqpSettings

CONNECT_SECONDS = 10
#: A broker that went away without a word is noticed after two of these.
HEARTBEAT_SECONDS = 20
#: RabbitMQ's own for `guest`, who may come from its own machine only.
_GUEST = "guest"


def address(settings: AmqpSettings) -> URL:
    """With the password: never to be shown."""
    url = URL(settings.url) if settings.url else _assembled(settings)
    return url if "heartbeat" in url.query else url.update_query(heartbeat=HEARTBEAT_SECONDS)


def shown(settings: AmqpSettings) -> str:
    """For people and logs: `amqp://host:5672`."""
    url = address(settings)
    return f"{url.scheme}://{url.host}:{url.port or (5671 if url.scheme == 'amqps' else 5672)}"


async def connected(settings: AmqpSettings) -> AbstractConnection:
    """A plain connection: who loses it makes a new one. Raises OSError, AMQPError or TimeoutError."""
    properties: FieldTable = {"connection_name": f"eyebright {settings.queue}"}
    url = address(settings)
    try:
        return await connect(url, timeout=CONNECT_SECONDS, client_properties=properties)
    except InvalidFrameError as error:  # where it should let us in it closes the connection, which the library hides
        if "Connection.OpenOk" not in str(error):
            raise
        vhost = url.path.removeprefix("/") or "/"
        raise ConnectionRefusedError(
            f"the broker has no virtual host {vhost!r}, or this user may not enter it; it is what follows the host in "
            "EYEBRIGHT_AMQP__URL, or EYEBRIGHT_AMQP__VHOST"
        ) from error


def _assembled(settings: AmqpSettings) -> URL:
    password = settings.password_file.read_text().strip() if settings.password_file else _GUEST
    host = {"host": settings.host, "port": settings.port}
    base = URL.build(scheme="amqp", user=settings.user, password=password, **host)
    return base.with_path("//" if settings.vhost == "/" else f"/{settings.vhost}", encoded=False)


def _short_text(value: bytes) -> tuple[int, str]:
    """The library's own gives up the connection over a property that is no UTF-8; then the broker delivers that message to the
    next one, and no other message gets through."""
    end = 1 + value[0]
    return end, value[1:end].decode(errors="replace")


decode.METHODS["shortstr"] = _short_text
