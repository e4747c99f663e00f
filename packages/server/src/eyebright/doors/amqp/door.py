"""The queue as a door of the server: no route, but a consumer that runs as long as the server does."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from eyebright.doors.amqp.consumer import Consumer
from eyebright.doors.door import DoorContext
from eyebright_wire.queue import QueueAnswer, QueueOutcome


class AmqpDoor:
    """Closed unless `amqp.consume` opens it."""

    routes = ()
    public = frozenset[str]()
    job_paths = ()

    def __init__(self) -> None:
        self._consumer: Consumer | None = None

    async def run(self, context: DoorContext) -> None:
        """Never returns while the door is open."""
        settings = context.settings.amqp
        if not settings.consume:
            return
        meter = Meter(context.instruments.registry)
        self._consumer = consumer = Consumer(settings, context.services.intake, context.clock, settled=meter.settled)
        meter.connected.set_function(lambda: consumer.condition == "ok")
        await consumer.run()

    def condition(self) -> str | None:
        """How it stands with the broker; None while the door is closed."""
        return None if self._consumer is None else self._consumer.condition


class Meter:
    """What Prometheus sees of the queue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connected = Gauge("eyebright_queue_connected", "1 while messages can come", registry=registry)
        self._messages = Counter("eyebright_queue_messages", "Messages settled", ["outcome"], registry=registry)
        self._seconds = Histogram(
            "eyebright_queue_ack_seconds",
            "From a message's delivery to its acknowledgement",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
            registry=registry,
        )
        for outcome in QueueOutcome:
            self._messages.labels(outcome)

    def settled(self, answer: QueueAnswer, seconds: float) -> None:
        self._messages.labels(answer.outcome).inc()
        self._seconds.observe(seconds)
