"""Building and taking apart receipts of a scene."""

from collections.abc import Callable
from functools import cache
from typing import Any

from chainnode.ledger.documents import Provision
from chainnode.ledger.epochs import EpochProof, build_proof
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.payloads import DENY, PERMIT
from chainnode.ledger.receipt import attach_certificate, build_receipt_body
from chainnode.ledger.records import OUTCOME_AUTHORISED
from chainnode.ledger.transaction import SignedTransaction
from chainnode.ledger.verification import verify_receipt
from consensus.messages import QuorumCertificate
from genesis import cbor
from tests.ledger.scene import Scene, pointer
from tests.ledger.twoverifiers import of_the_file_under
from tests.ledger.world import Chain, verify


def stored(chain: Chain) -> Callable[[bytes], SignedTransaction | None]:
    def find(transaction_id: bytes) -> SignedTransaction | None:
        found = chain.transactions.get(transaction_id)
        return found[0] if found else None

    return find


def proof(chain: Chain) -> EpochProof:
    """How the voters came to be who they are at the last block."""

    def at(height: int) -> QuorumCertificate | None:
        return chain.certificate(chain.headers[height]) if 0 < height <= chain.height else None

    epoch = chain.headers[-1].epoch
    built = build_proof(chain.schedule, epoch, header=chain.headers.__getitem__, certificate=at)
    assert built is not None
    return built


def receipt(scene: Scene, request: bytes, certificate: QuorumCertificate | None = None) -> bytes:
    """The receipt of the decision that the last block made."""
    chain = scene.chain
    body = build_receipt_body(
        chain.state, chain.headers[-1], request, transactions=stored(chain), rows=chain.rows.get
    )
    return attach_certificate(body, certificate or chain.certificate(), proof(chain))


def rule(scene: Scene, data: bytes) -> str:
    """The rule that a receipt breaks, "" where it verifies. The single file takes and refuses the same."""
    broken, founding = "", scene.chain.founding
    try:
        verify_receipt(data, founding, verify=verify)
    except VerificationError as error:
        broken = error.rule
    again = of_the_file_under(data, founding)
    assert bool(broken) == bool(again), (broken, again)
    return broken


def signed_scene(chain: Chain | None = None) -> tuple[Scene, bytes]:
    """Ada signs live, Bob by a standing consent with an exception, the hospital by both its roles."""
    scene = Scene(chain or Chain())
    scene.enrol("ada", "bob")
    scene.anchor(pointer("a1", scene.handle("ada")), pointer("b1", scene.handle("bob")))
    request = scene.apply("a1", "b1")
    scene.grant_patient(request, "ada")
    exception = Provision(DENY, classes=("allergies",))
    scene.consent("bob", Provision(PERMIT, actors=(3,), provisions=(exception,)))
    scene.grant_steward(request)
    scene.grant_head(request)
    return scene, request


@cache
def authorised() -> tuple[Scene, bytes, bytes]:
    """Not to be changed: shared by tests."""
    scene, request = signed_scene()
    assert scene.release(request).outcome == OUTCOME_AUTHORISED
    return scene, request, receipt(scene, request)


def taken_apart(data: bytes) -> dict[str, Any]:
    content = cbor.decode(data, limit_bytes=1 << 24)
    assert isinstance(content, dict)
    return content
