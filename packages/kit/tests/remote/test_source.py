import subprocess
import sys
from importlib.metadata import requires

import pytest

from eyebright_kit.egress import EgressRules
from eyebright_kit.remote.failure import FetchFailed
from eyebright_kit.remote.source import Access, installed, source_for

ACCESS = Access(EgressRules())
MODULES = {"s3": "boto3", "gs": "google.cloud.storage", "az": "azure.storage.blob"}


def test_the_sources_are_found_as_any_plug_in_is():
    assert {"https", "http", "s3", "gs", "az"} <= set(installed())


@pytest.mark.parametrize(("scheme", "module"), MODULES.items())
def test_a_missing_extra_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, scheme: str, module: str
):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"eyebright_kit.remote.{scheme}", raising=False)
    with pytest.raises(FetchFailed, match=rf"pip install 'eyebright-kit\[{scheme}\]'") as caught:
        source_for(scheme, ACCESS)
    assert caught.value.code == "extra_missing"
    assert any(
        f'extra == "{scheme}"' in line or f"extra == '{scheme}'" in line for line in requires("eyebright-kit") or ()
    )


def test_a_scheme_without_a_source_is_answered_with_those_that_have_one():
    with pytest.raises(FetchFailed, match=r"no source for ftp://.*expected az://, gs://, https:// or s3://$") as caught:
        source_for("ftp", ACCESS)
    assert caught.value.code == "scheme_unknown"


def test_nothing_of_a_store_is_imported_before_its_scheme_is_used():
    probe = "import sys, eyebright_kit.remote.fetch as f; f.require_fetchable('s3://bucket/x.zip'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert set(MODULES.values()).isdisjoint(done.stdout.split())
