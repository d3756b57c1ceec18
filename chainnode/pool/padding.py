"""Padme: lengths are rounded up so that they tell little, at most 12 % more.

Source: K. Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with
PURBs" (PoPETs 2019), section 4.2: a length L keeps only as many leading bits as its exponent has.
"""

LENGTH_BYTES = 8


def padme(length: int) -> int:
    """The padded length for `length` bytes: O(log log L) bits of it remain visible."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    mantissa_bits = exponent.bit_length()
    mask = (1 << max(exponent - mantissa_bits, 0)) - 1
    return (length + mask) & ~mask


def pad(plaintext: bytes) -> bytes:
    """True length (8 bytes, big-endian), plaintext, zeros up to Padme's length of both."""
    framed = len(plaintext).to_bytes(LENGTH_BYTES, "big") + plaintext
    return framed.ljust(padme(len(framed)), b"\x00")


def unpad(padded: bytes) -> bytes | None:
    """The plaintext, or None where `pad` would not have written this."""
    if len(padded) < LENGTH_BYTES:
        return None
    end = LENGTH_BYTES + int.from_bytes(padded[:LENGTH_BYTES], "big")
    if padme(end) != len(padded) or padded.count(0, end) != len(padded) - end:
        return None
    return padded[LENGTH_BYTES:end]
