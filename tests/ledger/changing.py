"""Changes of members for a Chain: documents as its validators would sign them."""

from collections.abc import Sequence
from dataclasses import replace

from chainnode.ledger import membership, view
from chainnode.ledger.payloads import ChangeMembership
from consensus.types import ReplicaSet
from genesis.membership import (
    ADMIT,
    DEMOTE,
    FEATURE,
    REMOVE,
    ROTATE,
    MembershipChange,
    Validator,
    change_signed_bytes,
    encode_change,
    encode_change_file,
)
from genesis.request import JoinRequest, MemberKeys, make_request
from tests.genesis.consortium import sealing
from tests.ledger.world import Actor, Block, Chain

DELAY = 17
"""One more than the window of the usual parameters."""


class Joiner:
    """A hospital that is not in genesis, or new keys of one that is."""

    def __init__(self, slug: str, name: str = "", steward: Actor | None = None) -> None:
        self.slug = slug
        self.validator, self.transport = Actor(f"validator of {slug}{name}"), Actor(f"link of {slug}{name}")
        self.steward = steward or Actor(f"steward of {slug}{name}")

    def keys(self) -> MemberKeys:
        sealed = sealing(self.slug)
        return MemberKeys(self.validator.public, self.transport.public, sealed, self.steward.public)

    def request(self, name: str = "A hospital") -> JoinRequest:
        return make_request("network", self.slug, name, self.keys(), self.validator.sign)


def present(chain: Chain) -> ReplicaSet:
    return chain.schedule.latest.voters


def proposal(chain: Chain, kind: str, member: int, joiner: Joiner | None = None, **more) -> MembershipChange:
    """What `member propose` makes of the chain's present state."""
    before = membership.current(chain.state)
    record = view.member(chain.state, member)
    request = more.pop("request", None)
    if kind in (ADMIT, ROTATE):
        assert joiner is not None
        request = request or joiner.request(record.name if record else "A hospital")
        key = joiner.validator.public
    else:
        key = b"" if kind in (DEMOTE, REMOVE) or record is None else record.validator_key
    names = {one.id: view.member(chain.state, one.id) for one in present(chain).members}
    change = MembershipChange(
        chain_id=chain.chain_id,
        number=before.changes + 1,
        kind=kind,
        member=member,
        id=joiner.slug if kind == ADMIT else (record.id if record else "nobody"),
        key=key,
        validators=tuple(Validator(one.id, names[one.id].id, one.key) for one in present(chain).members),
        request=request,
        delay_heights=0,
        valid_until_height=1_000,
    )
    return replace(change, **({"delay_heights": DELAY if change.needs_delay() else 0} | more))


def signed(chain: Chain, change: MembershipChange, signers: Sequence[int] = (0, 1, 2)) -> ChangeMembership:
    """The document with the signatures of these of its validators, by their place."""
    body = encode_change(change)
    said = change_signed_bytes(change.chain_id, body)
    signatures = {
        change.validators[place].id: chain.voters[change.validators[place].key].sign(said)
        for place in signers
    }
    return ChangeMembership(encode_change_file(body, signatures))


def make(chain: Chain, kind: str, member: int, joiner: Joiner | None = None, **more) -> Block:
    """The change in a block of its own, found good."""
    if joiner is not None:
        chain.voters[joiner.validator.public] = joiner.validator
    signers = range(present(chain).n // 2 + 1)
    payload = signed(chain, proposal(chain, kind, member, joiner, **more), signers)
    block = chain.commit(chain.submission(chain.stewards[0], payload))
    assert block.codes() == [""], block.codes()
    return block


def pass_on(chain: Chain, height: int) -> None:
    """Empty blocks up to `height`."""
    while chain.height < height:
        chain.commit()


def agree(chain: Chain, name: str) -> None:
    """The validators agree on a feature, and it is in force in the next block."""
    make(chain, FEATURE, 0, id=name, key=b"")
    pass_on(chain, chain.height + DELAY)
