"""A NodeApi with canned answers: the gateway's tests are about the gateway."""

import asyncio

from chainnode.node.api import (
    BlockView,
    ChainInfo,
    Entry,
    EventView,
    EvidenceView,
    Half,
    LinkReport,
    NotFound,
    Outcome,
    ReadResult,
    ReadTimeout,
    Refused,
    ReleasedObject,
    Role,
    Stamp,
    StatusReport,
    SubmitResult,
)
from chainnode.node.config import SocketConfig
from chainnode.node.whyreport import LackingReport, PeerReport, WhyReport
from genesis.errors import EXIT_ENVIRONMENT, ErrorCode, OperatorError

DISK_FULL = ErrorCode("STO-77", EXIT_ENVIRONMENT, "a code that the client's process never defined")
STAMP = Stamp(7, b"h" * 32, 1_700_000_000_000, b"certificate")
STATUS = StatusReport(
    member=1,
    slug="hospital-b",
    network="demo",
    height=7,
    state_root=b"r" * 32,
    view=2,
    primary=3,
    voting=False,
    why="votes were rolled back",
    uptime_ms=5,
    first_commit_ms=4,
    rss_bytes=3,
    disk_bytes=2,
    transactions=1,
    commit_latency_ms=(1.5, 2.5, 3.5),
    quorum=3,
    links=(LinkReport(0, "hospital-a", True, 7, 12, 0), LinkReport(2, "hospital-c", False, 0, -1, 9, True)),
    free_bytes=6,
    observes=True,
    alarms=("the disk", "the clock"),
    quorum_lost="quorum lost",
)
WHY = WhyReport(
    member=1,
    slug="hospital-b",
    epoch=0,
    view=2,
    changing=True,
    primary="hospital-c",
    certified=7,
    executed=8,
    behind=None,
    votes=True,
    silent_because="asks",
    quorum=3,
    window=16,
    timers=(("pulse", 300),),
    batches_here=4,
    batches_waiting=1,
    asked=(("hospital-a", 2),),
    passed_over=("hospital-c",),
    lacking=LackingReport(8, "certify", (), ("hospital-a",), ("hospital-a", "hospital-d")),
    alarms=("the disk", "the clock"),
    peers=(
        PeerReport(0, "hospital-a", True, "", 2, 7, 2, True, False, "commit 8", 12, 3, 900, -5),
        PeerReport(2, "hospital-c", False, "silent", 0, 0, 0, True, None, "", None, None, 0, None),
    ),
)
EVIDENCE = (
    EvidenceView(b"e" * 32, 3, 0, "prepare", 9, 2, 400, 11),
    EvidenceView(b"f" * 32, 3, 0, "commit", 9, 2, 400, 0),
)
INFO = ChainInfo(
    b"c" * 32, "demo", 1, ((0, "hospital-a", "A"), (1, "hospital-b", "B")), 7, 9, 1_000, b"genesis"
)
BLOCK = BlockView(7, b"h" * 32, b"header", b"certificate", ((b"t" * 32, "grant", "ok"),))
RELEASED = (
    ReleasedObject(b"o" * 16, b"p" * 16, "conditions", b"x" * 700_000),
    ReleasedObject(b"n" * 16, b"p" * 16, "observations", b"", "object-missing"),
    ReleasedObject(b"m" * 16, b"q" * 16, "medications", b"short"),
)


class FakeNode:
    def __init__(self) -> None:
        self.calls = []
        self.height = 7
        self.produced = 0
        self.closed = asyncio.Event()
        self.held = asyncio.Event()
        self.stored = {}
        self.arrivals = asyncio.Queue()

    def status(self):
        return STATUS

    def info(self):
        return INFO

    def why(self):
        return WHY

    def evidence(self):
        return EVIDENCE

    async def backup(self, *, objects):
        self.calls.append(("backup", objects))
        for number in range(40):
            yield bytes([number]) * 262_144

    def evidence_file(self, evidence_id):
        if evidence_id != EVIDENCE[0].id:
            raise NotFound("unknown-evidence", "there is none")
        return b"f" * 600_000

    async def submit(self, submission, parts, *, client, timeout_ms):
        self.arrivals.put_nowait(None)
        self.calls.append(("submit", submission, tuple(parts), client, timeout_ms))
        if submission == b"wait":
            await self.held.wait()
        return SubmitResult(b"t" * 32, Outcome.TURNED_AWAY, 7, "malformed", "it is none", b"signed")

    async def read(self, key, *, prefix, limit, min_height, strong, timeout_ms):
        self.calls.append(("read", key, prefix, limit, min_height, strong, timeout_ms))
        if min_height > self.height:
            raise ReadTimeout("height-not-reached", f"{min_height} was not reached")
        if key == b"boom":
            raise ZeroDivisionError("secret inside")
        if key == b"disk":
            raise OperatorError(DISK_FULL, "the disk is full", unchanged="all of it", next_step="df -h")
        count = 5_000 if prefix else 1
        return ReadResult(tuple(Entry(b"%d" % i, b"v" * 200) for i in range(count)), STAMP)

    async def row(self, row_digest):
        raise NotFound("row-erased", "the row was erased")

    async def block(self, height):
        return BLOCK

    async def transaction(self, transaction_id):
        return 7, "ok", b"signed transaction"

    async def object(self, object_id):
        return b"pointer", b"batch", True

    async def blocks(self, from_height):
        yield BLOCK

    async def events(self, from_height):
        try:
            while True:
                self.produced += 1
                yield EventView(from_height, self.produced, "granted", b"e" * 20_000, "a grant")
                await asyncio.sleep(0)
        finally:
            self.closed.set()

    async def state_proof(self, keys, *, min_height, strong, timeout_ms):
        self.calls.append(("state-proof", keys, min_height, strong))
        return b"s" * 600_000

    async def stretch(self, first, last, *, headers_only):
        for height in range(first, last + 1):
            yield bytes([height]) * (600_000 if height % 2 else 3)
        yield b"headers" if headers_only else b"whole"

    def intake_key(self, department):
        return b"k" * 32

    async def link_subject(self, macs, handle):
        self.calls.append(("link", tuple(macs), handle))

    async def resolve_subject(self, macs):
        return b"s" * 16 if macs[0] == b"1" * 32 else None

    async def seen(self, macs):
        return tuple(mac == b"1" * 32 for mac in macs)

    async def put_object(self, upload):
        self.stored[upload.object_id] = upload

    async def anchor(self, order, *, client, timeout_ms):
        self.calls.append(("anchor", order, client))
        return SubmitResult(b"a" * 32, Outcome.COMMITTED, 8, "ok")

    async def halves(self, request_id, *, role, handle, department):
        if role not in ("head", "patient"):
            raise Refused("unknown-role", f"{role} opens no half")
        return [Half(b"pointer%d" % i, "study", b"policy", b"w" * 1_200) for i in range(1_000)]

    async def receipt(self, request_id, height):
        return b"r" * 600_000

    async def delivery(self, request_id):
        return {"authorised": 3, "parts": 2, "objects": 1}

    async def fetch(self, request_id, project_sealing_private):
        for item in RELEASED:
            yield item


def socket_config(folder, role=Role.STEWARD, mode=0o660, group=""):
    return SocketConfig(role, folder / f"{role.value}.sock", "", group, mode)
