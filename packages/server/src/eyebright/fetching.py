"""What the operator's settings mean to the kit, which calls addresses that a stranger gave and knows no settings."""

from eyebright.settings import EgressSettings, SourceSettings
from eyebright_kit.egress import EgressRules
from eyebright_kit.remote.fetch import FetchLimits, Sources


def egress_rules(settings: EgressSettings) -> EgressRules:
    return EgressRules(**dict(settings))


def sources(settings: SourceSettings) -> Sources:
    endpoints = {"s3": settings.s3_endpoint, "gs": settings.gs_endpoint, "az": settings.az_endpoint}
    return Sources(settings.schemes, {scheme: url for scheme, url in endpoints.items() if url}, settings.only)


def fetch_limits(settings: SourceSettings) -> FetchLimits:
    return FetchLimits(
        max_objects=settings.objects,
        max_total_bytes=settings.total_bytes,
        max_file_bytes=settings.object_bytes,
        spare_bytes=settings.spare_bytes,
    )
