"""The operator's settings, as the kit takes them."""

from ipaddress import ip_network

import pytest

from eyebright.errors import InvalidRequest
from eyebright.fetching import egress_rules, fetch_limits, sources
from eyebright.settings import Settings, process_environment
from eyebright_kit.egress import EgressRules
from eyebright_kit.remote.fetch import FetchLimits, Sources


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in list(process_environment()):
        if name.startswith("EYEBRIGHT_"):
            monkeypatch.delenv(name)


def test_the_way_out_is_open_to_public_addresses_alone():
    assert egress_rules(Settings().egress) == EgressRules()
    assert sources(Settings().sources) == Sources()
    assert fetch_limits(Settings().sources) == FetchLimits()


def test_the_operator_opens_the_way_out(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_EGRESS__SCHEMES", "https,http")
    monkeypatch.setenv("EYEBRIGHT_EGRESS__PORTS", "443,8080")
    monkeypatch.setenv("EYEBRIGHT_EGRESS__ALLOW", "10.0.0.0/8, fd00::/8")
    monkeypatch.setenv("EYEBRIGHT_SOURCES__ONLY", "s3://datasets/")
    monkeypatch.setenv("EYEBRIGHT_SOURCES__S3_ENDPOINT", "http://10.0.0.5:9000")
    found = Settings()
    allowed = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert egress_rules(found.egress) == EgressRules(schemes=("https", "http"), ports=(443, 8080), allow=allowed)
    assert sources(found.sources) == Sources(endpoints={"s3": "http://10.0.0.5:9000"}, only=("s3://datasets/",))


def test_a_place_that_is_no_address_is_told_with_its_variable(monkeypatch):
    monkeypatch.setenv("EYEBRIGHT_SOURCES__ONLY", "s3://datasets/,datasets")
    with pytest.raises(InvalidRequest, match=r"EYEBRIGHT_SOURCES__ONLY: 'datasets' is no address; expected"):
        sources(Settings().sources)
