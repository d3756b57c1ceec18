"""`python -m tests.e2e.strace_votes`: what the kernel saw of a node's votes, in order.

A consortium runs, one daemon of it under strace, and commits under load. The daemon writes down each frame
right before it encrypts it, so that the trace shows which write to a peer's socket carries which vote. For
every vote of its own then: it stood in an append to the vote log, an fdatasync of that file began after the
append and had ended well, all that before the vote was written to any peer's socket.
"""

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from chainnode.cli.actions.departments import add_department
from chainnode.gateway.client import GatewayClient
from chainnode.net.port import Channel
from chainnode.net.wire import Consensus, decode_frame
from chainnode.vault.keys import SigningKey
from chainnode.vault.keystore import StewardKeys
from consensus.codec import decode
from consensus.messages import Message
from tests.e2e.tapped_node import HEADER, TAP_NAME
from tests.e2e.town import TAPPED
from tests.localnet.consortium import PASSPHRASE, Consortium, found
from tests.localnet.nodes import Nodes

CALLS = ("fdatasync", "write", "sendto", "sendmsg", "writev", "pwrite64")
SHOWN_BYTES = 65_536
END_TIMEOUT_S = 20.0
AT_ONCE = 4
VOTE_LOG = re.compile(r"/store/votes/votes-\d+\.log$")
_UNFINISHED = " <unfinished ...>"
_BEGUN = re.compile(r"(\w+)\((\d+)<(.*?)>(?:, (.*)|[ )].*)$")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>.*?\) += (-?\d+)")
_ENDED = re.compile(r"\) += (-?\d+)(?: .*)?$")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?')
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[0-7]{1,3}|.)")
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}


def tracer(trace: Path) -> tuple[str, ...]:
    """The command that runs what follows it under strace and becomes it (-D), so that signals reach it."""
    return (
        *("strace", "-D", "-f", "-yy", "-x", "-s", str(SHOWN_BYTES), "--seccomp-bpf"),
        *("-e", "trace=" + ",".join(CALLS), "-e", "signal=none", "-o", str(trace)),
    )


def why_not() -> str:
    """Why strace cannot be used here; empty where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        [*tracer(Path("/dev/null")), "true"], capture_output=True, text=True, timeout=30, check=False
    )
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()[:200]}"


@dataclass(slots=True)
class Call:
    """A system call; `start` and `end` are line numbers of the trace, `end` -1 while it has not returned."""

    thread: int
    name: str
    target: str
    data: bytes
    cut: bool
    start: int
    end: int = -1
    result: int = -1


def _unescaped(text: str) -> bytes:
    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "x" and len(code) == 3:
            return chr(int(code[1:], 16))
        return chr(int(code, 8)) if code[0] in "01234567" else _NAMED.get(code, code)

    return _ESCAPE.sub(one, text).encode("latin-1")


def calls_in(lines: Iterable[str]) -> list[Call]:
    """The calls of a trace, in the order in which they began."""
    found: list[Call] = []
    open_: dict[int, Call] = {}
    for number, line in enumerate(lines):
        thread, _, rest = line.rstrip("\n").partition(" ")
        rest = rest.lstrip()
        resumed = _RESUMED.match(rest)
        if resumed:
            call = open_.pop(int(thread), None)
            if call is not None:
                call.end, call.result = number, int(resumed[2])
            continue
        begun = _BEGUN.match(rest)
        if begun is None or begun[1] not in CALLS:
            continue
        strings = list(_STRING.finditer(begun[4] or ""))
        data = b"".join(_unescaped(string[1]) for string in strings)
        cut = any(string[2] for string in strings)
        call = Call(int(thread), begun[1], begun[3], data, cut, number)
        found.append(call)
        if rest.endswith(_UNFINISHED):
            open_[int(thread)] = call
        elif ended := _ENDED.search(rest):
            call.end, call.result = number, int(ended[1])
    return found


@dataclass(slots=True)
class Findings:
    """`votes`: own messages that were written to a socket, by kind, each to each peer; `unsynced`: those for
    which no ended fdatasync of an append that holds them came before; `unsent`: votes that no write to a
    TCP socket followed in the same thread; `lost`: appends that no fdatasync followed."""

    appends: int = 0
    syncs: int = 0
    socket_writes: int = 0
    votes: Counter[str] = field(default_factory=Counter)
    unsynced: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)


def _votes(calls: Iterable[Call], member: int) -> Iterator[tuple[Call, str, bytes]]:
    """(the write that noted the frame, kind, encoded message) of each own vote that goes to a peer."""
    for call in calls:
        if not call.target.endswith("/" + TAP_NAME):
            continue
        channel, _, length = HEADER.unpack_from(call.data)
        if channel != Channel.VOTES:
            continue
        assert not call.cut and len(call.data) == HEADER.size + length, "the trace shows all of a vote"
        frame = decode_frame(call.data[HEADER.size :], limit_bytes=length)
        if isinstance(frame, Consensus):
            message = decode(frame.message, Message, limit_bytes=length)  # type: ignore[arg-type]
            if message.replica == member:
                yield call, type(message).__name__, frame.message


def findings(lines: Iterable[str], member: int) -> Findings:
    """What a trace of the daemon of `member` shows."""
    calls = calls_in(lines)
    appends = [call for call in calls if call.data and VOTE_LOG.search(call.target)]
    syncs = [call for call in calls if call.name == "fdatasync" and VOTE_LOG.search(call.target)]
    sends = [call for call in calls if call.target.startswith("TCP") and call.data]
    found = Findings(len(appends), len(syncs), len(sends))
    durable: list[tuple[int, bytes]] = []
    for append in appends:
        after = (one for one in syncs if append.end >= 0 and one.start > append.end and one.result == 0)
        sync = next(after, None)
        if sync is None:
            found.lost.append(append.start)
        else:
            durable.append((sync.end, append.data))
    for noted, kind, message in _votes(calls, member):
        found.votes[kind] += 1
        if not any(end < noted.start and message in data for end, data in durable):
            found.unsynced.append(f"{kind} in line {noted.start}")
        if not any(one.thread == noted.thread and one.start > noted.start for one in sends):
            found.unsent.append(f"{kind} in line {noted.start}")
    return found


async def load(consortium: Consortium, transactions: int) -> None:
    """Departments of two hospitals, several at once."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def add(client: GatewayClient, steward: StewardKeys, number: int) -> None:
        async with limit:
            await add_department(client, steward, SigningKey.generate().public, f"ward-{number}")

    async with AsyncExitStack() as stack:
        sides = []
        for hospital in consortium.hospitals[:2]:
            client = await stack.enter_async_context(GatewayClient(hospital.socket("steward")))
            sides.append((client, StewardKeys.open(hospital.steward_file, PASSPHRASE)))
        await asyncio.gather(*(add(*sides[number % 2], number) for number in range(transactions)))


async def trace(
    consortium: Consortium, files: Mapping[int, Path], *, transactions: int
) -> dict[int, list[str]]:
    """Run the consortium with the daemons of some members under strace; the lines of each one's trace."""
    with Nodes(consortium, TAPPED) as nodes:
        for member, file in files.items():
            nodes.start(member, prefix=tracer(file))
        nodes.start(*(one.number for one in consortium.hospitals if one.number not in files))
        await nodes.ready()
        await load(consortium, transactions)
        pids = {member: nodes.pid(member) for member in files}
    return {member: await asyncio.to_thread(_whole, file, pids[member]) for member, file in files.items()}


def _whole(file: Path, pid: int) -> list[str]:
    """The trace once strace, which outlives the daemon by a moment, has written its end."""
    ending = re.compile(rf"^{pid} +\+\+\+ exited", re.MULTILINE)
    deadline = time.monotonic() + END_TIMEOUT_S
    while not ending.search(text := file.read_text(encoding="latin-1")):
        assert time.monotonic() < deadline, "strace does not end"
        time.sleep(0.05)
    return text.splitlines()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--member", type=int, default=0, help="whose daemon is traced; 0 is the primary")
    parser.add_argument("--transactions", type=int, default=40)
    given = parser.parse_args()
    reason = why_not()
    if reason:
        print(reason)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace"
        consortium = found(Path(folder) / "n")
        lines = asyncio.run(trace(consortium, {given.member: file}, transactions=given.transactions))
    seen = findings(lines[given.member], given.member)
    print(f"{seen.appends} appends to the vote log, {seen.syncs} fdatasyncs of it")
    print(f"own votes to peers: {dict(seen.votes)}; not synced before: {seen.unsynced or 'none'}")
    return 1 if seen.unsynced or seen.lost or not seen.votes else 0


if __name__ == "__main__":
    sys.exit(main())
