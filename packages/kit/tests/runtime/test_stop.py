import signal
import subprocess
import sys

import pytest

from eyebright_kit.runtime.stop import StopReason, StopRequest

_LISTENER = """
import os, sys, time
from eyebright_kit.runtime.stop import StopRequest, listen_to_signals
stop = StopRequest()
listen_to_signals(stop)
print("ready", flush=True)
stop.wait(60)
print(stop.reason, flush=True)
time.sleep(60)
"""

_FORKER = """
import os, signal, time
from eyebright_kit.runtime.stop import StopRequest, listen_to_signals
listen_to_signals(StopRequest())
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.write(writer, b"x")  # what came before this Python would have forgotten over the fork
    time.sleep(60)
    os._exit(0)
os.read(reader, 1)
os.kill(child, signal.SIGTERM)
print(os.waitpid(child, 0)[1], flush=True)
"""


def test_the_first_reason_stays():
    stop = StopRequest()
    stop.ask(StopReason.CANCEL)
    stop.ask(StopReason.PREEMPT)
    assert stop.reason is StopReason.CANCEL


def test_fenced_overrules_every_other_reason():
    stop = StopRequest()
    stop.ask(StopReason.PREEMPT)
    stop.ask(StopReason.FENCED)
    stop.ask(StopReason.CANCEL)
    assert stop.reason is StopReason.FENCED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_the_second_ends_at_once(number: signal.Signals):
    child = subprocess.Popen([sys.executable, "-c", _LISTENER], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    assert child.stdout.readline() == "preempt\n"
    child.send_signal(number)
    assert child.wait(30) == -number
    child.stdout.close()


def test_a_forked_data_worker_dies_of_its_first_sigterm():
    told = subprocess.run([sys.executable, "-c", _FORKER], capture_output=True, text=True, timeout=120, check=True)
    assert told.stdout == f"{int(signal.SIGTERM)}\n"
