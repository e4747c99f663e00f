"""`eyebright consume` as a process that can be killed and replaced."""

import subprocess
import sys

from harness.live import LiveServer, environment


class Consumers:
    """One at a time, handing the orders of a broker to a server."""

    def __init__(self, server: LiveServer, url: str) -> None:
        self._variables = environment(server.data_dir, EYEBRIGHT_AMQP__URL=url)
        self._log = (server.data_dir / "consumer.log").open("ab")
        self.kills = 0
        self._start()

    def replace(self) -> None:
        """Kill -9, and start another."""
        self._process.kill()
        self._process.wait(30)
        self.kills += 1
        self._start()

    def end(self) -> None:
        """As an operator would."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def _start(self) -> None:
        command = [sys.executable, "-m", "eyebright", "consume"]
        self._process = subprocess.Popen(command, env=self._variables, stdout=self._log, stderr=self._log)
