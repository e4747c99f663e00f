"""Which licences of trainers a server puts up with."""

from pathlib import Path

import pytest
from harness.site import API, Site
from harness.site import site as make_site


async def asked(site: Site):
    return await site.post(f"{API}/jobs:preflight", json={"task": "classification"})


async def test_every_licence_is_accepted_by_default(site: Site) -> None:
    assert (await asked(site)).status_code == 200


@pytest.mark.parametrize("denied", ["Apache-2.0", "AGPL-3.0,apache-2.0"])
async def test_a_job_for_a_trainer_of_a_denied_licence_is_refused_before_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, denied: str
) -> None:
    monkeypatch.setenv("EYEBRIGHT_LICENCE_DENY", denied)
    async with make_site(tmp_path) as site:
        answer = await asked(site)
        assert answer.json()["ok"] is False
        assert [finding["code"] for finding in answer.json()["findings"]] == ["licence_denied"]
        assert "trainer toy is under Apache-2.0" in answer.json()["findings"][0]["message"]
        refused = await site.post(f"{API}/jobs", json={"dataset": "pets"})
        assert (refused.status_code, refused.json()["code"]) == (422, "licence_denied")
        assert (await site.get(f"{API}/jobs")).json()["items"] == []
