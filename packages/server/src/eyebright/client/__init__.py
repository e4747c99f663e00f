"""Talk to an Eyebright server from Python: the verbs of the HTTP API, typed and synchronous.

with eyebright.Client() as client:                       # finds the server of this machine by itself
    version = client.import_dataset("flowers/")
    job = client.submit(JobRequest(dataset=version.id, model="resnet18", config={"epochs": 5}))
    print(client.wait(job.id).metrics)
"""

from eyebright.client.client import Client
from eyebright.client.local import LocalServer, running_server

__all__ = ["Client", "LocalServer", "running_server"]
