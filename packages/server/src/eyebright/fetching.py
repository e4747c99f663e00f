"""What the operator's settings mean to the kit, which calls addresses that a stranger gave and knows no settings."""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from eyebright.errors import InvalidRequest
from eyebright.ports.objects import UPLOADS
from eyebright.settings import EgressSettings, Settings, SourceSettings
from eyebright_kit.egress import EgressRules
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.fetch import FetchFailed, FetchLimits, Sources


def rules(settings: Settings) -> dict[str, Any]:
    """All of them as JSON, for a process of its own. Raises InvalidRequest as `sources` does."""
    return {
        "egress": egress(settings),
        "sources": TypeAdapter(Sources).dump_python(sources(settings.sources), mode="json"),
        "limits": TypeAdapter(FetchLimits).dump_python(fetch_limits(settings.sources), mode="json"),
    }


def own_rules(settings: Settings) -> dict[str, Any]:
    """The same for what was uploaded to the place where our own objects are kept, whatever is open to others."""
    place, endpoint = str(settings.storage.place), settings.storage.endpoint
    scheme = place.partition("://")[0]
    uploads = Sources((scheme,), {scheme: endpoint} if endpoint else {}, (f"{place}/{UPLOADS}",))
    return {**rules(settings), "sources": TypeAdapter(Sources).dump_python(uploads, mode="json")}


def egress(settings: Settings) -> dict[str, Any]:
    """Which addresses may be called, as JSON."""
    return TypeAdapter(EgressRules).dump_python(egress_rules(settings.egress), mode="json")


def egress_rules(settings: EgressSettings) -> EgressRules:
    return EgressRules(**dict(settings))


def sources(settings: SourceSettings) -> Sources:
    """Raises InvalidRequest when `only` names what is no address."""
    _require_addresses(settings.only)
    endpoints = {"s3": settings.s3_endpoint, "gs": settings.gs_endpoint, "az": settings.az_endpoint}
    return Sources(settings.schemes, {scheme: url for scheme, url in endpoints.items() if url}, settings.only)


def fetch_limits(settings: SourceSettings) -> FetchLimits:
    return FetchLimits(
        max_objects=settings.objects,
        max_total_bytes=settings.total_bytes,
        max_file_bytes=settings.object_bytes,
        spare_bytes=settings.spare_bytes,
    )


def _require_addresses(only: Iterable[str]) -> None:
    try:
        for root in only:
            Address.of(root)
    except FetchFailed as failure:
        raise InvalidRequest(f"EYEBRIGHT_SOURCES__ONLY: {failure.message}") from None
