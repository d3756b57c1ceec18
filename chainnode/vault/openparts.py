"""What a trustee gives for one object: a partial decryption of the patient's half with its proof, signed by
the trustee, sealed to the requesting project's key.

The signature stands inside, over the wrap and the partial: who opened the blob can show to others that this
very trustee gave this very partial, and so that it lied where the proof fails. Nobody else learns of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import Struct

from chainnode.vault import tdh2
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey, verify
from chainnode.vault.sealing import OVERHEAD_BYTES, open_sealed, seal
from chainnode.vault.tdh2 import Ciphertext, Partial
from consensus.codec import DecodeError, decode, encode
from consensus.domain import digest, signing_bytes

MAX_ANSWER_BYTES = 512
MAX_SEALED_ANSWER_BYTES = OVERHEAD_BYTES + MAX_ANSWER_BYTES
_KIND = "trustee-answer"


class Answer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A partial and the trustee's signature under `signed_answer`."""

    partial: Partial
    signature: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """What an answer is about: one object of one request on one chain, the trustee's seat (from 1), and the
    dealing whose share it used: parts of two dealings do not fit together."""

    chain_id: bytes
    request_id: bytes
    object_id: bytes
    seat: int
    dealing: bytes

    def info(self) -> bytes:
        """HPKE's info."""
        place = (self.chain_id, self.request_id, self.object_id, self.seat, self.dealing)
        return encode(("trustee-part", *place))


def dealing_digest(commitments: Sequence[bytes]) -> bytes:
    """Names a dealing by what its dealer committed to."""
    return digest("dealing", encode(tuple(commitments)))


def signed_answer(place: Place, wrap: bytes, partial: Partial) -> bytes:
    """The bytes that a trustee signs. `wrap`: the encoded ciphertext that it was asked to open."""
    named = (place.request_id, place.object_id, place.seat, place.dealing, digest("wrap", wrap))
    return signing_bytes(_KIND, place.chain_id, encode((*named, partial)))


def seal_answer(
    place: Place,
    *,
    share: bytes,
    wrap: bytes,
    label: bytes,
    sign: Callable[[bytes], bytes],
    project_sealing_key: bytes,
) -> bytes:
    """The trustee's side: open a part of `wrap` with its share (a scalar) and seal it to the project.

    Raises SealingError: `malformed`, `suite-unknown`, `ciphertext-invalid`, `key-invalid`.
    """
    partial = tdh2.partial(share, tdh2.decode_ciphertext(wrap), label, index=place.seat)
    answer = Answer(partial, sign(signed_answer(place, wrap, partial)))
    return seal(project_sealing_key, encode(answer), place.info())


def open_answer(place: Place, sealed: bytes, project: KemKey) -> Answer:
    """The project's side. Raises SealingError as `open_sealed` does, or `malformed`."""
    data = open_sealed(project, sealed, place.info())
    try:
        return decode(data, Answer, limit_bytes=MAX_ANSWER_BYTES)
    except DecodeError as error:
        raise SealingError("malformed", str(error)) from None


def is_signed(place: Place, wrap: bytes, answer: Answer, trustee_key: bytes) -> bool:
    """Whether the trustee gave this very answer for this very wrap."""
    return verify(trustee_key, signed_answer(place, wrap, answer.partial), answer.signature)


def is_true(place: Place, ciphertext: Ciphertext, answer: Answer, share_point: bytes) -> bool:
    """Whether the partial is the seat's, by its proof. One that is signed and not true convicts."""
    return answer.partial.index == place.seat and tdh2.verify_partial(share_point, ciphertext, answer.partial)
