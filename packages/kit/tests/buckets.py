"""Stores to test against, in this process: moto for S3, gcp-storage-emulator for Google's."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer

#: Azurite's own, published for everybody.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextmanager
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextmanager
def google_emulator() -> Iterator[str]:
    port = free_port()
    with create_server("127.0.0.1", port, in_memory=True):
        yield f"http://127.0.0.1:{port}"


def free_port() -> int:
    """Free a moment ago, and none that the system lends to outgoing connections: one of these could have it by now."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def give_credentials(patch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "of-the-operator")
    patch.setenv("AZURE_STORAGE_ACCOUNT", AZURE_ACCOUNT)
    patch.setenv("AZURE_STORAGE_KEY", AZURE_KEY)
    withhold_the_rest(patch)


def withhold_the_rest(patch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has of its own must not decide a test."""
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_CONFIG_FILE", "/nowhere")
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    patch.setenv("NO_GCE_CHECK", "true")
    patch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN"):
        patch.delenv(name, raising=False)
