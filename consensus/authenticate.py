"""The gate before the Replica: form first, then every signature, nested ones included."""

from collections.abc import Callable, Iterable

from consensus.domain import SIGNATURE_BYTES
from consensus.forms import form_problem
from consensus.messages import Authenticated, Certified, Message, claims, signed_bytes
from consensus.ready import Rejection
from consensus.types import ReplicaId, ReplicaSets

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signed bytes, signature) -> whether it holds. A caller that remembers what it verified
before passes a function that looks there first."""


def authenticate(
    message: Message, chain_id: bytes, replica_sets: ReplicaSets, verify: Verify
) -> Authenticated | Rejection:
    """Check a peer's message. Which link brought it does not matter: the signatures say who spoke.

    A Rejection names the replica that the message claims; for a bad signature it is no evidence against it.
    """
    problem = form_problem(message, replica_sets)
    if problem is not None:
        return Rejection(problem, message.replica)
    # View changes of one NEW-VIEW mostly carry the same certificates: each signature is checked once.
    for claim in dict.fromkeys(claims(message, chain_id)):
        key = replica_sets(claim.sequence).key(claim.replica)
        if key is None:
            return Rejection("stranger", message.replica, f"{claim.replica} at {claim.sequence}")
        if not verify(key, claim.signed, claim.signature):
            return Rejection("signature", message.replica, f"of {claim.replica} at {claim.sequence}")
    return Authenticated(message)


def said_by_own(
    message: Message, chain_id: bytes, own: ReplicaId, own_keys: Iterable[bytes], verify: Verify
) -> Authenticated | None:
    """A vote of this replica's own, for `Replica.observed_own` alone, where `authenticate` refuses it.

    After its disk was rolled back a replica may not know the epoch in which it voted, or who led in the turn
    (the set's keys and its primaries follow from blocks that it lost). Its own signature under one of
    `own_keys`, of whatever epoch, is proof enough that it said so.
    """
    if isinstance(message, Certified) or message.replica != own:
        return None
    signed = signed_bytes(message, chain_id)
    if len(message.signature) != SIGNATURE_BYTES:
        return None
    return Authenticated(message) if any(verify(key, signed, message.signature) for key in own_keys) else None
