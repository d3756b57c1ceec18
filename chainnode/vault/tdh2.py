"""TDH2: threshold decryption that is secure against chosen ciphertexts.

Source: V. Shoup, R. Gennaro, "Securing Threshold Cryptosystems against Chosen Ciphertext Attack"
(EUROCRYPT 1998; Journal of Cryptology 15, 2002), section 4, scheme TDH2. Written additively here:
g is Ed25519's base point B, g-bar is G2 below, h = x * B. Names u, u_bar, w, w_bar, e, f are the
paper's. A single holder is the case t = n = 1. Nothing here is post-quantum.
"""

from collections.abc import Callable, Mapping, Sequence
from secrets import token_bytes

from msgspec import Struct

from chainnode.vault import group
from chainnode.vault.errors import SealingError
from consensus.codec import DecodeError, decode, encode
from consensus.domain import DIGEST_BYTES, SUITE, digest

Random = Callable[[int], bytes]

MAX_MESSAGE_BYTES = 64
MAX_LABEL_BYTES = 1_024
MAX_CIPHERTEXT_BYTES = 256
MAX_SHARES = 255

SECOND_GENERATOR = group.hash_to_point("tdh2/second-generator")
"""The paper's g-bar."""


class Ciphertext(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """u = r B, u_bar = r G2, and a proof (e, f) of equal logarithms that binds c and the label.
    Points and scalars are 32 bytes, `c` is as long as the message."""

    suite: int
    u: bytes
    u_bar: bytes
    e: bytes
    f: bytes
    c: bytes


class Partial(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """u_i = x_i u of the share with `index` (from 1), and the proof (e, f) that it is (Chaum-Pedersen)."""

    index: int
    u: bytes
    e: bytes
    f: bytes


def _fresh_scalar(random: Random) -> bytes:
    value = group.reduce(random(group.WIDE_BYTES))
    assert group.is_scalar(value), "a random scalar is zero once in 2^252 draws"
    return value


def _pad(point: bytes, length: int) -> bytes:
    """H1: a mask from the shared point."""
    blocks = (length + DIGEST_BYTES - 1) // DIGEST_BYTES
    return b"".join(digest("tdh2/pad", bytes([block]), point) for block in range(blocks))[:length]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _challenge(c: bytes, label: bytes, u: bytes, w: bytes, u_bar: bytes, w_bar: bytes) -> bytes:
    """H2."""
    return group.hash_to_scalar("tdh2/encrypt", c, label, u, w, u_bar, w_bar)


def _partial_challenge(index: int, u: bytes, share_point: bytes, point: bytes, a: bytes, b: bytes) -> bytes:
    """H4; that it also covers u, the share's point and its index does no harm and ties it down."""
    return group.hash_to_scalar("tdh2/partial", bytes([index]), u, share_point, point, a, b)


def encrypt(point: bytes, message: bytes, label: bytes, random: Random = token_bytes) -> Ciphertext:
    """Encrypt 1 to 64 bytes to the key `point` under a public `label`.

    `random(n)` gives n fresh bytes. Raises SealingError `point-invalid`.
    """
    assert 0 < len(message) <= MAX_MESSAGE_BYTES and len(label) <= MAX_LABEL_BYTES
    if not group.is_point(point):
        raise SealingError("point-invalid", "the key is not a point of the group")
    r, s = _fresh_scalar(random), _fresh_scalar(random)
    c = _xor(message, _pad(group.multiply(r, point), len(message)))
    u, u_bar = group.multiply_base(r), group.multiply(r, SECOND_GENERATOR)
    w, w_bar = group.multiply_base(s), group.multiply(s, SECOND_GENERATOR)
    e = _challenge(c, label, u, w, u_bar, w_bar)
    return Ciphertext(SUITE, u, u_bar, e, group.scalar_multiply_add(r, e, s), c)


def check(ciphertext: Ciphertext, label: bytes) -> bool:
    """Whether the proof holds for this label: nobody opens a ciphertext that fails here."""
    if ciphertext.suite != SUITE or not 0 < len(ciphertext.c) <= MAX_MESSAGE_BYTES:
        return False
    u, u_bar, e, f = ciphertext.u, ciphertext.u_bar, ciphertext.e, ciphertext.f
    if not (group.is_scalar(e) and group.is_scalar(f) and group.is_point(u) and group.is_point(u_bar)):
        return False
    w = group.subtract(group.multiply_base(f), group.multiply(e, u))
    w_bar = group.subtract(group.multiply(f, SECOND_GENERATOR), group.multiply(e, u_bar))
    if group.is_identity(w) or group.is_identity(w_bar):
        return False
    return _challenge(ciphertext.c, label, u, w, u_bar, w_bar) == e


def _require_valid(ciphertext: Ciphertext, label: bytes) -> None:
    if not check(ciphertext, label):
        raise SealingError("ciphertext-invalid", "its proof does not hold for this label")


def decrypt(scalar: bytes, ciphertext: Ciphertext, label: bytes) -> bytes:
    """The message, for the one who holds the whole key. Raises SealingError `ciphertext-invalid`."""
    assert group.is_scalar(scalar)
    _require_valid(ciphertext, label)
    return _xor(ciphertext.c, _pad(group.multiply(scalar, ciphertext.u), len(ciphertext.c)))


def partial(
    share: bytes, ciphertext: Ciphertext, label: bytes, *, index: int = 1, random: Random = token_bytes
) -> Partial:
    """The decryption share of the scalar `share`, with its proof.

    Raises SealingError `ciphertext-invalid`: answering for such a one would give the key away.
    """
    assert group.is_scalar(share) and 1 <= index <= MAX_SHARES
    _require_valid(ciphertext, label)
    point, s = group.multiply(share, ciphertext.u), _fresh_scalar(random)
    a, b = group.multiply(s, ciphertext.u), group.multiply_base(s)
    e = _partial_challenge(index, ciphertext.u, group.multiply_base(share), point, a, b)
    return Partial(index, point, e, group.scalar_multiply_add(share, e, s))


def verify_partial(share_point: bytes, ciphertext: Ciphertext, answer: Partial) -> bool:
    """Whether `answer` is x_i u for the share whose public point is x_i B.

    The ciphertext itself is checked by `check`, not here.
    """
    if not 1 <= answer.index <= MAX_SHARES or not (group.is_scalar(answer.e) and group.is_scalar(answer.f)):
        return False
    if not all(group.is_point(point) for point in (share_point, answer.u, ciphertext.u)):
        return False
    a = group.subtract(group.multiply(answer.f, ciphertext.u), group.multiply(answer.e, answer.u))
    b = group.subtract(group.multiply_base(answer.f), group.multiply(answer.e, share_point))
    return _partial_challenge(answer.index, ciphertext.u, share_point, answer.u, a, b) == answer.e


def lagrange_at_zero(indices: Sequence[int], index: int) -> bytes:
    """The coefficient of the share `index` among `indices`, as a scalar."""
    above = below = 1
    for other in indices:
        if other != index:
            above = above * other % group.ORDER
            below = below * (other - index) % group.ORDER
    return group.scalar(above * pow(below, -1, group.ORDER))


def combine(
    ciphertext: Ciphertext,
    label: bytes,
    answers: Sequence[Partial],
    share_points: Mapping[int, bytes],
    threshold: int,
) -> bytes:
    """The message, from `threshold` good answers; false ones among them do no harm.

    `share_points`: the public point of each share by its index. Raises SealingError
    `ciphertext-invalid`, or `partials-too-few` naming the indices whose proof failed.
    """
    assert threshold >= 1
    _require_valid(ciphertext, label)
    good: dict[int, bytes] = {}
    false: list[int] = []
    for answer in answers:
        if len(good) == threshold:
            break
        point = share_points.get(answer.index)
        if point is None or not verify_partial(point, ciphertext, answer):
            false.append(answer.index)
        else:
            good[answer.index] = answer.u
    if len(good) < threshold:
        detail = f"{len(good)} of the {threshold} needed are good; false: {false}"
        raise SealingError("partials-too-few", detail)
    indices = tuple(good)
    shared: bytes | None = None
    for index in indices:
        term = group.multiply(lagrange_at_zero(indices, index), good[index])
        shared = term if shared is None else group.add(shared, term)
    assert shared is not None
    return _xor(ciphertext.c, _pad(shared, len(ciphertext.c)))


def encode_ciphertext(ciphertext: Ciphertext) -> bytes:
    return encode(ciphertext)


def decode_ciphertext(data: bytes) -> Ciphertext:
    """Raises SealingError `malformed` or `suite-unknown`; the proof is for `check`."""
    try:
        ciphertext = decode(data, Ciphertext, limit_bytes=MAX_CIPHERTEXT_BYTES)
    except DecodeError as error:
        raise SealingError("malformed", str(error)) from None
    if ciphertext.suite != SUITE:
        raise SealingError("suite-unknown", f"suite {ciphertext.suite}")
    return ciphertext
