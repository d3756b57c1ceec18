"""The patients' halves as they lie beside the objects, for those who may ask the trustees to open them."""

from typing import Literal

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.records import BASIS_STANDING
from chainnode.ledger.view import Reader
from chainnode.node.releases import Released
from chainnode.pool.errors import ObjectError
from chainnode.pool.halves import patient_wrap_label, policy_digest
from chainnode.pool.objectstore import ObjectStore
from chainnode.pool.recipients import decode_recipients, wrap_for
from genesis.errors import OperatorError

ROLE_WRAP: Literal["wrap"] = "wrap"
"""Of a part that is the patient's half as it lies beside the object."""


def is_standing(one: Released) -> bool:
    """Whether an object is released by a standing consent: by the decision of record, and still so now."""
    return one.basis == one.basis_now == BASIS_STANDING


def label_of(chain_id: bytes, one: Released) -> bytes:
    """TDH2's label of the object's wrap."""
    return patient_wrap_label(chain_id, one.object_id, one.batch.member, policy_digest(one.batch.policy))


class Wraps:
    def __init__(self, state: Reader, recipients: ObjectStore, log: BoundLogger) -> None:
        self._state = state
        self._recipients = recipients
        self._log = log

    async def of(self, one: Released) -> bytes | None:
        """The encoded ciphertext of the patient's half, where trustees hold the class key; else None."""
        pointer = one.pointer
        dealt = view.dealt(self._state, pointer.handle, pointer.data_class, pointer.epoch)
        if dealt is None:
            return None
        try:
            recipients = decode_recipients(await self._recipients.get_async(one.object_id))
            return wrap_for(recipients, dealt.commitments[0])
        except (ObjectError, OperatorError) as error:
            self._log.error("a patient's half is not here", object=one.object_id.hex(), reason=str(error))
            return None
