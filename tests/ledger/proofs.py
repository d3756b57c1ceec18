"""Answers and audits of a scene, as the commands make them."""

from chainnode.ledger.answer import answer_keys, encode_answer, prove_entries
from chainnode.ledger.audit import encode_audit, follow
from chainnode.ledger.stretch import Certification
from chainnode.ledger.subjects import Trail
from tests.ledger.receipts import proof
from tests.ledger.scene import Scene
from tests.ledger.world import Chain


def answer_of(scene: Scene, name: str, request: bytes = b"") -> bytes:
    """On the consent of somebody by name, whether enrolled or not, as of the last block."""
    chain, handle = scene.chain, scene.handle(name)
    proofs = prove_entries(chain.state, chain.headers[-1], answer_keys(handle, request))
    steps = proof(chain) if chain.headers[-1].epoch else ()
    return encode_answer(handle, request, proofs, Certification((), chain.certificate(), steps))


def audit_of(chain: Chain, kind: str, id_: str, first: int = 1, last: int = 0, above: int = 0) -> bytes:
    """`above`: so many headers lie between the last block and the one that has a certificate."""
    trail, last = Trail(kind, id_), last or chain.height - above
    for block in chain.blocks[: first - 1]:
        list(follow(trail, block))
    known = trail.known() if first > 1 else []
    top = tuple(block.header for block in chain.blocks[last : last + above])
    certificate = chain.certificate((chain.headers[last], *top)[-1])
    certification = Certification(top, certificate, proof(chain) if certificate.epoch else ())
    return encode_audit(Trail(kind, id_), known, chain.blocks[first - 1 : last], certification)
