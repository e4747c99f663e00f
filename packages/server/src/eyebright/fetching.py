"""What the operator's settings mean to the kit, which calls addresses that a stranger gave and knows no settings."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import Any

from pydantic import TypeAdapter

from eyebright.errors import EyebrightError, InvalidRequest, StorageFull, Unavailable, is_full
from eyebright.ports.objects import OWN_FOLDERS, UPLOADS
from eyebright.settings import EgressSettings, Settings, SourceSettings
from eyebright_kit.egress import EgressRules
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.failure import PASSING
from eyebright_kit.remote.fetch import FetchCode, FetchFailed, FetchLimits, Sources, fetch_file, permitted


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


class ObjectFetcher:
    """Fetcher, by the rules for data sets. What this server keeps for itself is no address for others."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def fetch(self, url: str, into: Path) -> Path:
        unwanted = Event()
        try:
            return await asyncio.to_thread(self._fetched, url, into, unwanted)
        except FetchFailed as failure:
            raise _refusal(failure) from None
        except OSError as error:
            raise (StorageFull if is_full(error) else Unavailable)(str(error)) from error
        finally:
            unwanted.set()

    def _fetched(self, url: str, into: Path, unwanted: Event) -> Path:
        rules, places = egress_rules(self._settings.egress), sources(self._settings.sources)
        self._require_foreign(permitted(url, rules, places))
        limits = fetch_limits(self._settings.sources)
        return fetch_file(url, into, rules=rules, sources=places, limits=limits, stop=unwanted.is_set)

    def _require_foreign(self, address: Address) -> None:
        """With the server's credentials a stranger could read everybody's files by their names."""
        place = self._settings.storage.place
        if place and any(address.lies_below(f"{place.rstrip('/')}/{folder}") for folder in OWN_FOLDERS):
            raise InvalidRequest(
                f"{address.shown} lies among this server's own files; a result is left elsewhere, and fetched from there"
            )


def _refusal(failure: FetchFailed) -> EyebrightError:
    if failure.code in PASSING:
        return Unavailable(failure.message)
    more = {FetchCode.TOO_LARGE: "; the operator can raise EYEBRIGHT_SOURCES__OBJECT_BYTES"}.get(failure.code, "")
    return InvalidRequest(failure.message + more)


def _require_addresses(only: Iterable[str]) -> None:
    try:
        for root in only:
            Address.of(root)
    except FetchFailed as failure:
        raise InvalidRequest(f"EYEBRIGHT_SOURCES__ONLY: {failure.message}") from None
