"""A node's report of views that were left: once, and only what the chain does not know."""

import asyncio

import pytest
import structlog

from chainnode.ledger.payloads import Payload, ReportLeftViews
from chainnode.node import leftviews
from chainnode.node.filing import PENDING
from chainnode.node.leftviews import LeftViews
from consensus.messages import CommitCertificate, Vote
from tests.ledger.test_left_views import PARAMETERS, at_height, chain_of, reported, shown
from tests.ledger.world import Chain


def left_views(chain: Chain) -> LeftViews:
    return LeftViews(PARAMETERS, lambda: chain.state, chain.schedule)


def certificate_of(payload: ReportLeftViews) -> CommitCertificate:
    votes = tuple(Vote(vote.replica, vote.signature) for vote in payload.votes)
    return CommitCertificate(payload.epoch, payload.view, payload.sequence, payload.digest, votes)


def test_what_the_replica_saw_is_reported_until_it_stands_on_the_chain():
    chain = at_height(chain_of(), 3)
    views, payload = left_views(chain), shown(chain, 1, 2)
    assert views.unreported(3) is None, "nothing was seen"
    views.note(certificate_of(payload))
    assert views.unreported(3) == payload == views.unreported(3)
    assert reported(chain, payload, reporter=2) == [""]
    assert views.unreported(4) is None
    assert views.unreported(3) is None, "it is forgotten"


class Desk:
    """Takes what the node submits of its own and answers with these codes."""

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.taken: list[Payload] = []
        self.done = asyncio.Event()

    async def submit_own(self, payload: Payload) -> str:
        self.taken.append(payload)
        code = self.codes.pop(0)
        if not self.codes:
            self.done.set()
        return code


@pytest.mark.parametrize("codes", [("",), ("busy", PENDING, ""), ("not-committed",)])
async def test_a_report_is_handed_in_again_only_where_it_may_not_have_come_in(monkeypatch, codes):
    monkeypatch.setattr(leftviews, "REPORT_EVERY_MS", 1)
    chain = at_height(chain_of(), 3)
    views, payload, desk = left_views(chain), shown(chain, 1, 2), Desk(*codes)
    views.note(certificate_of(payload))
    work = asyncio.create_task(views.run(desk.submit_own, 0, lambda: chain.height, structlog.get_logger()))
    await desk.done.wait()
    assert views.unreported(3) is None
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert desk.taken == [payload] * len(codes)
