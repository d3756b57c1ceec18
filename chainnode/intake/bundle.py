"""Reading a FHIR R4 Bundle: limits first, then the frame, then one entry at a time.

Source: HL7 FHIR R4 (4.0.1), Bundle. Entries stay undecoded bytes here, so that a bad one does not
take the good ones with it and what is not let through is never decoded at all.
"""

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import msgspec

from chainnode.intake import errors
from chainnode.intake.errors import BundleError

BUNDLE_TYPES = frozenset({"transaction", "batch", "collection"})

_BOM = b"\xef\xbb\xbf"
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'{}[]"'))
_STEP = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one bundle may be at most. Bytes are of the file as it is, before any decoding."""

    depth: int = 64
    entries: int = 200_000
    string_bytes: int = 16 << 20
    file_bytes: int = 64 << 20


class _Frame(msgspec.Struct):
    resourceType: str
    type: str = ""
    entry: list[msgspec.Raw] = []


def read_bundle(path: Path, limits: Limits = Limits()) -> bytes:
    """The bytes of a file, never more than the limit. Raises BundleError."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.file_bytes + 1)
    except OSError as error:
        raise BundleError(
            errors.UNREADABLE,
            f"the bundle's file cannot be read: {error.strerror}",
            "check the path and its permissions",
        ) from error
    _check_size(data, limits)
    return data


def parse_bundle(data: bytes, limits: Limits) -> list[bytes]:
    """The entries of a Bundle, each as its own JSON bytes.

    Raises BundleError when the bundle as a whole is over a limit, truncated, not JSON, not a
    Bundle or of a type that is not taken in. An entry's own content is not looked at.
    """
    _check_size(data, limits)
    data = data.removeprefix(_BOM)
    complete = _check_shape(data, limits)
    try:
        frame = msgspec.json.decode(data, type=_Frame)
    except msgspec.ValidationError as error:
        raise BundleError(
            errors.NOT_FHIR,
            "the file is JSON but not a FHIR Bundle",
            "export the patients as FHIR R4 transaction bundles, one JSON file each",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _syntax_error(complete) from error
    if frame.resourceType != "Bundle":
        raise BundleError(
            errors.NOT_FHIR,
            "the file is a FHIR resource but not a Bundle",
            "wrap the resources in a Bundle of type collection",
        )
    if frame.type not in BUNDLE_TYPES:
        raise BundleError(
            errors.WRONG_TYPE,
            "the Bundle's type is none of " + ", ".join(sorted(BUNDLE_TYPES)),
            "export as a transaction bundle",
        )
    if len(frame.entry) > limits.entries:
        raise BundleError(
            errors.TOO_MANY,
            f"the bundle has {len(frame.entry)} entries; the limit is {limits.entries}",
            "split the export into bundles of one patient each",
        )
    return [bytes(entry) for entry in frame.entry]


def _check_size(data: bytes, limits: Limits) -> None:
    if len(data) > limits.file_bytes:
        raise BundleError(
            errors.TOO_LARGE,
            f"the bundle is larger than {limits.file_bytes} bytes",
            "split the export into bundles of one patient each",
        )


def _check_shape(data: bytes, limits: Limits) -> bool:
    """Depth and string length without decoding: the decoder's own limit is the interpreter's stack.

    Returns whether every object, list and string that begins also ends.
    """
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    depth, in_string = 0, False
    structure = data.translate(None, _NOT_STRUCTURE)
    for start in range(0, len(structure), _CHUNK_BYTES):
        parts = structure[start : start + _CHUNK_BYTES].split(b'"')
        outside = b"".join(parts[in_string::2])
        in_string ^= len(parts) % 2 == 0
        levels = list(accumulate(map(_STEP.__getitem__, outside), initial=depth))
        depth = levels[-1]
        if max(levels) > limits.depth:
            raise BundleError(
                errors.TOO_DEEP,
                f"the bundle is nested deeper than {limits.depth} levels",
                "export as FHIR R4: no R4 resource needs such a depth",
            )
    if _has_long_run(data, limits.string_bytes):
        raise BundleError(
            errors.TOO_MANY,
            f"the bundle has a string, or a stretch without any, longer than {limits.string_bytes} bytes",
            "export without attachments: they are not taken in",
        )
    return bool(data.strip()) and depth <= 0 and not in_string


def _has_long_run(data: bytes, limit: int) -> bool:
    """Whether more than `limit` bytes stand between two quotes. Any such run covers a sample point."""
    stride = max(1, limit // 2)
    for point in range(0, len(data), stride):
        start = data.rfind(b'"', max(0, point - limit - 1), point) + 1
        start = start or max(0, point - limit - 1)
        end = data.find(b'"', point, point + limit + 2)
        end = end if end >= 0 else min(len(data), point + limit + 2)
        if end - start > limit:
            return True
    return False


def _syntax_error(complete: bool) -> BundleError:
    if not complete:
        return BundleError(
            errors.TRUNCATED,
            "the bundle ends in the middle",
            "export or copy the file again: it was cut off",
        )
    return BundleError(
        errors.NOT_JSON,
        "the file is not one JSON document in UTF-8",
        "export as JSON (not XML or NDJSON), one bundle a file",
    )
