"""Daemons of a consortium as processes on this machine; only processes started here are ever signalled."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from chainnode.gateway.client import GatewayClient
from chainnode.node.api import StatusReport
from genesis.errors import OperatorError
from tests.localnet.consortium import Consortium, Hospital

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0


class NodeDied(RuntimeError):
    pass


class Nodes:
    """`command` may replace how a daemon is started (a test that taps the links does)."""

    def __init__(
        self, consortium: Consortium, command: tuple[str, ...] = ("-m", "chainnode.cli.main", "run")
    ) -> None:
        self.consortium = consortium
        self._command = command
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def log_file(self, hospital: Hospital) -> Path:
        return hospital.home / "node.log"

    def start(self, *numbers: int, prefix: tuple[str, ...] = ()) -> None:
        """Start these daemons (all, if none is named), behind a command that becomes or execs what follows
        it; does not wait."""
        for hospital in self._chosen(numbers):
            with self.log_file(hospital).open("ab") as log:
                self._processes[hospital.number] = subprocess.Popen(
                    [*prefix, sys.executable, *self._command, "--home", str(hospital.home)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def pid(self, number: int) -> int:
        return self._processes[number].pid

    def kill(self, number: int) -> None:
        """kill -9, and reap."""
        process = self._processes.pop(number)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, *numbers: int) -> None:
        """SIGTERM, and wait; a daemon that does not end in time is killed and reported."""
        stopping = [(number, self._processes.pop(number)) for number in numbers or tuple(self._processes)]
        for _, process in stopping:
            if process.poll() is None:
                process.terminate()
        for number, process in stopping:
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise NodeDied(f"node {number} did not stop within {STOP_TIMEOUT_S:.0f} s") from None

    async def ready(self, *numbers: int) -> list[StatusReport]:
        """Wait until the daemons answer and all links among them are up."""
        chosen = self._chosen(numbers)
        wanted = {
            hospital.number for hospital in self.consortium.hospitals if hospital.number in self._processes
        }
        return [await self._ready(hospital, wanted - {hospital.number}) for hospital in chosen]

    async def _ready(self, hospital: Hospital, peers: set[int]) -> StatusReport:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            process = self._processes[hospital.number]
            if process.poll() is not None:
                raise NodeDied(f"{hospital.id} ended with {process.returncode}:\n{self._tail(hospital)}")
            try:
                async with GatewayClient(hospital.socket("sysadmin")) as client:
                    report = await client.status()
            except OperatorError:
                await asyncio.sleep(0.05)
                continue
            up = {link.member for link in report.links if link.up}
            if peers <= up and report.voting:
                return report
            await asyncio.sleep(0.05)
        raise NodeDied(f"{hospital.id} was not ready in time:\n{self._tail(hospital)}")

    async def status(self, number: int) -> StatusReport:
        async with GatewayClient(self.consortium.hospitals[number].socket("sysadmin")) as client:
            return await client.status()

    def _tail(self, hospital: Hospital) -> str:
        return os.linesep.join(self.log_file(hospital).read_text(errors="replace").splitlines()[-20:])

    def _chosen(self, numbers: tuple[int, ...]) -> list[Hospital]:
        hospitals = self.consortium.hospitals
        return [hospitals[number] for number in numbers] if numbers else list(hospitals)

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
