"""A hospital's pool: ciphertexts, the wraps of its own halves, and the recipients' lists, each apart.

The wraps stay with the hospital wherever the ciphertexts lie: deleting one is the erasure of its
object, and no copy of a bucket brings it back.
"""

from dataclasses import dataclass
from pathlib import Path

from chainnode.ledger.payloads import ObjectPointer
from chainnode.pool.container import SealedObject
from chainnode.pool.errors import ObjectError
from chainnode.pool.objectstore import ObjectStore
from chainnode.pool.recipients import MAX_RECIPIENTS_BYTES, Recipient, decode_recipients
from genesis.errors import OperatorError

MAX_WRAP_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Pool:
    """`wraps` holds W_h. Errors are those of ObjectStore."""

    objects: ObjectStore
    wraps: ObjectStore
    recipients: ObjectStore

    @classmethod
    def open(cls, folder: Path, objects_location: str | None = None) -> "Pool":
        """Three stores below `folder`; the ciphertexts elsewhere if a folder or URL is named.

        Raises OperatorError POL-03.
        """
        return cls(
            ObjectStore.open(objects_location or str(folder / "objects")),
            ObjectStore.open(str(folder / "wraps"), limit_bytes=MAX_WRAP_BYTES),
            ObjectStore.open(str(folder / "recipients"), limit_bytes=MAX_RECIPIENTS_BYTES),
        )

    def store(self, sealed: SealedObject) -> None:
        """Store an object durably, its wraps first: a ciphertext that lies here can be opened.

        All or nothing: where a put fails, what this call stored is deleted again.
        """
        stored: list[ObjectStore] = []
        try:
            for store, data in (
                (self.wraps, sealed.w_h),
                (self.recipients, sealed.recipients),
                (self.objects, sealed.ciphertext),
            ):
                if store.put(sealed.object_id, data):
                    stored.append(store)
        except (OperatorError, ObjectError):
            for store in stored:
                store.delete(sealed.object_id)
            raise

    def ciphertext(self, pointer: ObjectPointer) -> bytes:
        """The ciphertext as anchored. Raises ObjectError."""
        return self.objects.get_checked(
            pointer.object_id, root=pointer.root, length_bytes=pointer.length_bytes
        )

    def recipients_of(self, object_id: bytes) -> tuple[Recipient, ...]:
        """Raises ObjectError."""
        return decode_recipients(self.recipients.get(object_id))

    def discard(self, object_id: bytes) -> None:
        """Take back what `store` did: for objects whose anchoring failed."""
        for store in (self.objects, self.recipients, self.wraps):
            store.delete(object_id)
