"""Daemons of a consortium as processes on this machine; only processes started here are ever signalled."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from chainnode.gateway.client import GatewayClient
from chainnode.node.api import StatusReport
from genesis.errors import OperatorError
from tests.localnet.consortium import Consortium, Hospital, Say
from tests.localnet.errors import LOCALNET_NODE
from tests.localnet.shown import shown

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
LOG_LINES = 20
"""Of a log, in an error."""
SILENCE_S = 5.0
"""After so long without news of a node that starts, it is said what is waited for."""


class NodeDied(OperatorError):
    """LOCALNET-03."""

    def __init__(self, what: str, log_file: Path) -> None:
        super().__init__(
            LOCALNET_NODE,
            what,
            unchanged="the nodes that were started are stopped, their folders stay as they are",
            next_step=f"tail -n 50 {shown(log_file)}",
        )


class Nodes:
    """`command` may replace how a daemon is started (a test that taps the links does), `within` says what
    stands before it (a host of its own): something that becomes or execs what follows it. `say` is told how
    a start goes."""

    def __init__(
        self,
        consortium: Consortium,
        command: tuple[str, ...] = ("-m", "chainnode.cli.main", "run"),
        say: Say = lambda _: None,
        within: Callable[[int], tuple[str, ...]] = lambda _: (),
    ) -> None:
        self.consortium = consortium
        self.command = command
        self._within = within
        self._say = say
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def log_file(self, hospital: Hospital) -> Path:
        return hospital.home / "node.log"

    def start(self, *numbers: int, prefix: tuple[str, ...] = ()) -> None:
        """Start these daemons (all, if none is named), behind a command that becomes or execs what follows
        it; does not wait."""
        for hospital in self._chosen(numbers):
            with self.log_file(hospital).open("ab") as log:
                self._processes[hospital.number] = subprocess.Popen(
                    [
                        *self._within(hospital.number),
                        *prefix,
                        sys.executable,
                        *self.command,
                        "--home",
                        str(hospital.home),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._say(f"{hospital.id}: started, pid {self.pid(hospital.number)}")

    def pid(self, number: int) -> int:
        return self._processes[number].pid

    def kill(self, number: int) -> None:
        """kill -9, and reap."""
        process = self._processes.pop(number)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def wait(self, number: int) -> int:
        """Until the daemon ends by itself; its exit code."""
        return self._processes.pop(number).wait()

    def ended(self) -> list[tuple[Hospital, int]]:
        """Daemons that ended by themselves or by another hand, with their exit codes: each once."""
        gone = [(number, process.poll()) for number, process in self._processes.items()]
        for number, code in gone:
            if code is not None:
                del self._processes[number]
        hospitals = self.consortium.hospitals
        return [(hospitals[number], code) for number, code in gone if code is not None]

    def stop(self, *numbers: int) -> None:
        """SIGTERM, and wait; a daemon that does not end in time is killed and reported."""
        stopping = [(number, self._processes.pop(number)) for number in numbers or tuple(self._processes)]
        for _, process in stopping:
            if process.poll() is None:
                process.terminate()
        late: list[Hospital] = []
        for number, process in stopping:
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                late.append(self.consortium.hospitals[number])
        if late:
            ids = ", ".join(one.id for one in late)
            raise NodeDied(
                f"not down within {STOP_TIMEOUT_S:.0f} s, so killed: {ids}", self.log_file(late[0])
            )

    async def ready(self, *numbers: int) -> list[StatusReport]:
        """Wait until the daemons answer and all links among them are up."""
        chosen = self._chosen(numbers)
        wanted = {
            hospital.number for hospital in self.consortium.hospitals if hospital.number in self._processes
        }
        return [await self._ready(hospital, wanted - {hospital.number}) for hospital in chosen]

    async def _ready(self, hospital: Hospital, peers: set[int]) -> StatusReport:
        deadline = time.monotonic() + START_TIMEOUT_S
        news = time.monotonic() + SILENCE_S
        state = "it does not listen yet"
        while time.monotonic() < deadline:
            process = self._processes[hospital.number]
            if process.poll() is not None:
                raise self._died(hospital, f"{hospital.id} ended with {process.returncode}")
            if time.monotonic() > news:
                news = time.monotonic() + SILENCE_S
                self._say(f"{hospital.id}: waiting, {state}")
            try:
                async with GatewayClient(hospital.socket("sysadmin")) as client:
                    report = await client.status()
            except OperatorError:
                await asyncio.sleep(0.05)
                continue
            up = {link.member for link in report.links if link.up}
            state = f"{len(up)} of {len(peers)} links up" if report.voting else report.why
            if peers <= up and report.voting:
                self._say(f"{hospital.id}: listening, {len(up)} links up, height {report.height}")
                return report
            await asyncio.sleep(0.05)
        raise self._died(hospital, f"{hospital.id} was not ready within {START_TIMEOUT_S:.0f} s: {state}")

    def _died(self, hospital: Hospital, what: str) -> NodeDied:
        log_file = self.log_file(hospital)
        lines = log_file.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return NodeDied("\n    ".join([f"{what}; the end of its log:", *lines]), log_file)

    async def status(self, number: int) -> StatusReport:
        async with GatewayClient(self.consortium.hospitals[number].socket("sysadmin")) as client:
            return await client.status()

    def _chosen(self, numbers: tuple[int, ...]) -> list[Hospital]:
        hospitals = self.consortium.hospitals
        return [hospitals[number] for number in numbers] if numbers else list(hospitals)

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
