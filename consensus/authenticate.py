"""The gate before the Replica: form first, then every signature, nested ones included."""

from collections.abc import Callable

from consensus.forms import form_problem
from consensus.messages import Authenticated, Message, claims
from consensus.ready import Rejection
from consensus.types import ReplicaSets

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
