"""What the settings mean to the pieces: places, limits, and what may be called."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from eyebright.errors import InvalidRequest
from eyebright.ports.executor import Environment
from eyebright.ports.fetcher import Fetcher
from eyebright.ports.shelf import Shelf
from eyebright.ports.webhooks import Sender
from eyebright.services.datasets import Source
from eyebright.services.room import Room
from eyebright.services.sweep import Patience
from eyebright.services.webhooks import training_server
from eyebright.services.webhooks.deliverer import Limits
from eyebright.services.webhooks.endpoints import Declared
from eyebright.settings import Settings
from eyebright.stores.shelves import shelf_at
from eyebright_kit.importing.manifest import MANIFEST
from eyebright_wire.jobs import IMPORTER


def declared(settings: Settings) -> list[Declared]:
    """The webhooks that the settings themselves ask for."""
    chosen = settings.training_server
    if chosen.backend_url is None:
        return []
    return [
        Declared(
            name=training_server.NAME,
            url=chosen.backend_url,
            secret=chosen.secret,
            events=training_server.EVENTS,
            description="The callers of a Training Server",
            dialect=training_server.NAME,
            progress_seconds=chosen.progress_seconds,
        )
    ]


def posting(settings: Settings) -> Sender:
    from eyebright.posting import sender  # here, because it brings an HTTP client

    return sender(settings)


def delivery_limits(settings: Settings) -> Limits:
    chosen = settings.webhooks
    return Limits(
        at_once=chosen.at_once, at_once_each=chosen.at_once_each, give_up_ms=int(1000 * chosen.give_up_seconds)
    )


def remote(settings: Settings) -> Callable[[str], Source]:
    """What there is to say of an address without calling anybody."""

    def look(url: str) -> Source:
        from eyebright.fetching import egress_rules, sources  # here, because few who import name an address
        from eyebright_kit.egress import shown
        from eyebright_kit.remote.fetch import FetchFailed, default_name, require_fetchable

        try:
            require_fetchable(url, rules=egress_rules(settings.egress), sources=sources(settings.sources))
        except FetchFailed as error:
            raise InvalidRequest(error.message) from None
        return Source(shown(url), default_name(url), url=url)

    return look


def shelf(settings: Settings) -> Shelf:
    """Where finished LoRAs are put. The operator's stores are the same as those that data sets come from."""
    endpoints = {"s3": settings.sources.s3_endpoint, "gs": settings.sources.gs_endpoint}
    return shelf_at(settings.models, endpoints, "EYEBRIGHT_TRAINING_SERVER__MODELS")


def agents_shelf(settings: Settings) -> Shelf:
    """Where the models of projects are put."""
    endpoints = {"s3": settings.sources.s3_endpoint, "gs": settings.sources.gs_endpoint}
    setting = "EYEBRIGHT_TRAINING_AGENT__MODELS" if settings.training_agent.models else "GCP_BUCKET_NAME"
    return shelf_at(settings.agents_models, endpoints, setting)


def remote_image(settings: Settings) -> Callable[[str], str]:
    """The same of the address of one image."""

    def look(url: str) -> str:
        from eyebright.fetching import egress_rules, sources
        from eyebright_kit.remote.fetch import FetchFailed
        from eyebright_kit.remote.images import require_image

        try:
            return require_image(url, rules=egress_rules(settings.egress), sources=sources(settings.sources)).shown
        except FetchFailed as error:
            raise InvalidRequest(error.message) from None

    return look


def egress(settings: Settings) -> dict[str, Any]:
    """What a rehearsal that is to try an address is told."""
    from eyebright import fetching

    return fetching.egress(settings)


def fetcher(settings: Settings) -> Fetcher:
    """Who fetches what foreign trainers leave at an address."""
    from eyebright.fetching import ObjectFetcher  # here, because it brings an HTTP client

    return ObjectFetcher(settings)


def fetching_rules(settings: Settings) -> dict[str, Any]:
    """What a trainer is told that fetches what its orders name."""
    from eyebright import fetching

    return fetching.rules(settings)


def import_rules(settings: Settings) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """What an import is told beside its order: what it may take, and how it may fetch from an address."""

    def told(order: Mapping[str, Any]) -> dict[str, Any]:
        limits = {"limits": settings.imports.model_dump(exclude={"at_once"})}
        if order.get("url") is None and order.get("images") is None:
            return limits
        from eyebright.fetching import own_rules, rules

        place = settings.storage.place
        kept = place is not None and str(order.get("url")).startswith(f"{place}/")
        return {**limits, "fetching": own_rules(settings) if kept else rules(settings)}

    return told


def room_for_uploads(settings: Settings) -> Room | None:
    """Of the disk, where uploads stay on this machine; None where they go to a bucket."""
    if settings.storage.place is not None:
        return None
    return Room(settings.objects_dir.parent, settings.uploads.spare_bytes)


def importer() -> Environment:
    """The trainer of every import: a module of the kit, run by the Python that runs the server."""
    return Environment(IMPORTER, MANIFEST.module, Path(sys.executable), "", MANIFEST)


def patience(settings: Settings) -> Patience:
    return Patience(
        heartbeat=settings.jobs.heartbeat_seconds,
        hang=settings.jobs.hang_seconds,
        launch=settings.jobs.launch_seconds,
        stop_grace=settings.jobs.stop_grace_seconds,
    )
