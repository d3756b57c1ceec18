"""A forger who holds every validator's key and writes into the state what it likes."""

from msgspec import structs

from chainnode.ledger import view
from chainnode.ledger.payloads import Payload
from chainnode.ledger.records import Record, Source
from consensus.codec import encode
from tests.ledger.scene import Scene
from tests.ledger.world import Actor

MALLORY = Actor("mallory")


def overwrite(scene: Scene, *changes: tuple[bytes, Record]) -> None:
    entries: dict[bytes, bytes | None] = {key: encode(record) for key, record in changes}
    scene.chain.write(scene.chain.state.update(entries, {}))


def said_by(scene: Scene, signer: Actor, payload: Payload) -> Source:
    """A well-signed transaction of `signer` that was never executed."""
    submission = scene.chain.submission(signer, payload)
    scene.chain.transactions[submission.transaction.id()] = (submission.transaction, 1)
    return Source(submission.transaction.id(), 1)


def replant(scene: Scene, key: bytes, payload: Payload, signer: Actor, field: str) -> None:
    """Let a record rest on another transaction."""
    source = said_by(scene, signer, payload)
    record = view.request(scene.chain.state, payload.request_id)  # type: ignore[union-attr]
    assert record is not None
    overwrite(scene, (key, structs.replace(record, **{field: source})))
