"""Names of the state's entries. Ids and keys are raw bytes of fixed length, so no two names collide."""

from chainnode.ledger.payloads import ROLE_HEAD, ROLE_PATIENT

GENESIS = b"genesis"
MEMBERSHIP = b"membership"
FEATURES = b"features"
DISEASES = b"diseases/tree"
PASSED_OVER = b"passed-over"
ERASURES = b"erasures"
"""How many erasures there were."""


def member(number: int) -> bytes:
    return b"member/%d" % number


def standing(number: int) -> bytes:
    """What changed about a member since it was admitted or founded the chain."""
    return b"standing/%d" % number


def epoch(number: int) -> bytes:
    """Who votes in an epoch after the founding one, and from which height on."""
    return b"epoch/%d" % number


def registrar(name: str) -> bytes:
    return b"registrar/" + name.encode()


def holder(key: bytes) -> bytes:
    """Who holds an Ed25519 key: one role, once on the whole chain."""
    return b"key/" + key


def department(number: int, slug: str) -> bytes:
    return b"department/%d/%s" % (number, slug.encode())


def study(number: int, department_slug: str, slug: str) -> bytes:
    return b"study/%d/%s/%s" % (number, department_slug.encode(), slug.encode())


def patient(handle: bytes) -> bytes:
    return b"patient/" + handle


def renewed(handle: bytes) -> bytes:
    """A patient's class keys after the enrolment's."""
    return b"class-key/" + handle


def dealings(handle: bytes) -> bytes:
    """A patient's class keys that were dealt to the trustees."""
    return b"dealing/" + handle


def batch(root: bytes) -> bytes:
    return b"batch/" + root


def request(request_id: bytes) -> bytes:
    return b"request/" + request_id


def grant(request_id: bytes, role: str, *, handle: bytes = b"", number: int = 0, slug: str = "") -> bytes:
    """`handle` for the patient's role, `number` for the steward's, `number` and `slug` for the head's."""
    if role == ROLE_PATIENT:
        who = handle
    elif role == ROLE_HEAD:
        who = b"%d/%s" % (number, slug.encode())
    else:
        who = b"%d" % number
    return b"grant/" + request_id + b"/" + role.encode() + b"/" + who


def consents(handle: bytes) -> bytes:
    return b"consent/" + handle


def revocations(handle: bytes) -> bytes:
    """Revocations of everything and of data classes."""
    return b"revocation/" + handle


def request_revocation(handle: bytes, request_id: bytes) -> bytes:
    return b"revocation/" + handle + b"/" + request_id


def release(request_id: bytes) -> bytes:
    return b"release/" + request_id


def share(request_id: bytes, release_height: int, role: str, number: int, peer: int) -> bytes:
    return b"share/" + request_id + b"/%d/%s/%d/%d" % (release_height, role.encode(), number, peer)


def equivocation(number: int, epoch: int, kind: str, slot: int) -> bytes:
    """That a member said two things of one slot, height or view (`slot`, by the kind of message)."""
    return b"equivocation/%d/%d/%s/%d" % (number, epoch, kind.encode(), slot)


def erasure(number: int) -> bytes:
    """The erasures are numbered from 1 on."""
    return b"erasure/%d" % number


def erasure_attested(number: int, member: int) -> bytes:
    """A member's word that its node has carried it out."""
    return b"attested/%d/%d" % (number, member)


def erased_handle(handle: bytes) -> bytes:
    return b"erased/handle/" + handle


def erased_object(object_id: bytes) -> bytes:
    """Of objects that were erased by themselves; a handle's go with the handle."""
    return b"erased/object/" + object_id


def erased_row(digest: bytes) -> bytes:
    return b"erased/row/" + digest


def object_index(object_id: bytes) -> bytes:
    """Outside the tree: where an object's pointer stands."""
    return b"object/" + object_id


def batch_index(root: bytes) -> bytes:
    """Outside the tree: the object ids of a batch, in order, and its sealed key."""
    return b"batch/" + root


def dropped_rows(handle: bytes) -> bytes:
    """Outside the tree: rows of consents that made room for others."""
    return b"dropped/" + handle
