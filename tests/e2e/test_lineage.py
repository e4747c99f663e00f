"""A model that begins from another, with the real toy trainer and a real server."""

from pathlib import Path

import pytest
from harness.live import LiveServer, pets

from eyebright.client import Client
from eyebright.errors import Conflict
from eyebright_wire.jobs import JobRequest
from eyebright_wire.resources import ModelView

STILL = {"epochs": 1, "lr0": 1e-9}


def trained(client: Client, dataset: str, **order: object) -> ModelView:
    job = client.wait(client.submit(JobRequest.model_validate({"dataset": dataset, **order})).id, timeout_seconds=90)
    assert job.model_id, job.message
    return client.model(job.model_id)


def test_a_model_goes_on_from_another_and_remembers_it_when_that_is_deleted(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "server") as live, Client(settings=live.settings) as client:
        data = client.import_dataset(pets(tmp_path / "pets")).id
        parent = trained(client, data, name="pets", trainer="toy", config={"epochs": 6})
        child = trained(client, data, name="pets", parent="pets@1", config=STILL)
        alone = trained(client, data, name="alone", trainer="toy", config=STILL)
        assert child.metrics["top1"] == parent.metrics["top1"] > alone.metrics["top1"]
        assert [ancestor.id for ancestor in child.lineage] == [parent.id]
        client.set_alias(parent.id, "production")
        with pytest.raises(Conflict):
            client.delete_model(parent.id)
        client.remove_alias(parent.id, "production")
        client.delete_model(parent.id)
        (ancestor,) = client.model(child.id).lineage
        assert (ancestor.name, ancestor.number) == ("pets", 1)
        assert ancestor.deleted_at_ms
        assert client.compare_models(child.id, alone.id).left.parent == parent.id
        assert client.download_model(child.id, tmp_path / "child")
    assert not (tmp_path / "server" / "objects" / "jobs" / parent.job_id / "a1").exists()
