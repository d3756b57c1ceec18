"""Looking for identifiers in bytes: in plain text of any case, hex, base64 at any alignment, UTF-16.

    search = LeakSearch(identifiers(bundle))
    assert search.find(value) == []

Every search also knows MARKER: plant `search.forms(MARKER)` and see that each one is found, else an
empty answer proves nothing. `search.skipped` lists what is too short or too common to look for.

What could be a coincidence is not reported: a text under 7 characters only counts as a word of its own
among printable text, never in ciphertext; hex and base64 forms only from 6 characters on. In 100 MB of
random bytes a false hit is expected less than once in a thousand runs.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MARKER = "Planted-Marker-7f3a91c2"

_SHORT = 7
_MIN_BYTES = 3
_MIN_ENCODED = 6
_CERTAIN_DIGITS = 12
_WINDOW = 16
_PRINTABLE_SHARE = 0.8
_BLOB_CHARS = 40
_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TOKEN = re.compile(rb"[0-9a-z]+")
_BLOB_AFTER = re.compile(rb"[0-9A-Za-z+/=]*")
_TIERS = ((11, 6, 6), (6, 4, 3))
"""(shortest pattern, bytes of a gram, stride): any window of gram + stride - 1 bytes holds a sample."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An identifier that was found: which, in what form, and where it first is."""

    identifier: str
    form: str
    offset: int


@dataclass(frozen=True, slots=True)
class _Pattern:
    identifier: str
    form: str
    exact: bytes
    lowered: bytes
    any_case: bool

    @property
    def is_word(self) -> bool:
        """Short plain text: it only counts as a word of its own."""
        return self.form == "plain" and len(self.exact) < _SHORT and self.exact.isascii()

    @property
    def is_number(self) -> bool:
        """Digits, which also occur in longer numbers and in hex."""
        return self.form == "plain" and len(self.exact) < _CERTAIN_DIGITS and self.exact.isdigit()


class LeakSearch:
    """A compiled search for many identifiers at once; its speed does not depend on their number."""

    def __init__(self, identifiers: Iterable[str], *, ignore: Iterable[str] = ()) -> None:
        ignored = {word.casefold() for word in ignore}
        self.skipped: list[str] = []
        self.identifiers: list[str] = []
        for text in dict.fromkeys([*identifiers, MARKER]):
            weak = (
                not any(map(str.isalnum, text))
                or len(text.encode()) < _MIN_BYTES
                or (text.isdecimal() and len(text) < _MIN_ENCODED)
            )
            (self.skipped if weak or text.casefold() in ignored else self.identifiers).append(text)
        self._tiers: list[tuple[int, int, dict[bytes, list[tuple[int, _Pattern]]]]] = [
            (gram, stride, {}) for _, gram, stride in _TIERS
        ]
        self._words: dict[bytes, list[_Pattern]] = {}
        for text in self.identifiers:
            for pattern in _patterns(text):
                self._add(pattern)

    def _add(self, pattern: _Pattern) -> None:
        if pattern.is_word:
            token = max(_TOKEN.findall(pattern.lowered), key=len)
            self._words.setdefault(token, []).append(pattern)
            return
        tier = next(n for n, (shortest, _, _) in enumerate(_TIERS) if len(pattern.lowered) >= shortest)
        gram, stride, grams = self._tiers[tier]
        for offset in range(stride):
            grams.setdefault(pattern.lowered[offset : offset + gram], []).append((offset, pattern))

    def forms(self, text: str) -> dict[str, bytes]:
        """Every form of a text that a search for it finds, to plant them."""
        return {f"{p.form}/{n}": p.exact for n, p in enumerate(_patterns(text))}

    def find(self, data: bytes) -> list[Hit]:
        """The identifiers in `data`, each form once, by offset. Empty if there are none."""
        lowered = data.lower()
        hits: dict[tuple[str, str], Hit] = {}
        for start, pattern in self._candidates(lowered):
            if start >= 0 and _matches(data, lowered, start, pattern):
                key = (pattern.identifier, pattern.form)
                hits.setdefault(key, Hit(*key, start))
        return sorted(hits.values(), key=lambda hit: hit.offset)

    def _candidates(self, lowered: bytes) -> Iterator[tuple[int, _Pattern]]:
        for gram, stride, grams in self._tiers:
            last = len(lowered) - gram + 1 if grams else 0
            for place in [i for i in range(0, last, stride) if lowered[i : i + gram] in grams]:
                for offset, pattern in grams[lowered[place : place + gram]]:
                    yield place - offset, pattern
        for token in set(_TOKEN.findall(lowered)) & self._words.keys():
            for pattern in self._words[token]:
                place = lowered.find(pattern.lowered)
                while place >= 0:
                    yield place, pattern
                    place = lowered.find(pattern.lowered, place + 1)

    def find_in(self, named: Iterable[tuple[str, bytes]]) -> list[str]:
        """One line for each hit in several places: `height 7: plain form of '...' at 120`."""
        return [
            f"{name}: {hit.form} form of {hit.identifier!r} at {hit.offset}"
            for name, data in named
            for hit in self.find(data)
        ]


def _matches(data: bytes, lowered: bytes, start: int, pattern: _Pattern) -> bool:
    if not lowered.startswith(pattern.lowered, start):
        return False
    if not pattern.any_case and not data.startswith(pattern.exact, start):
        return False
    end = start + len(pattern.lowered)
    if pattern.is_word or pattern.is_number:
        around = data[max(0, start - 1) : start] + data[end : end + 1]
        if any(chr(byte).isalnum() for byte in around if byte < 128):
            return False
    return not pattern.is_word or _among_text(data, start, end)


def _among_text(data: bytes, start: int, end: int) -> bool:
    """Printable on both sides, and not in the middle of a long run of base64."""
    window = data[max(0, start - _WINDOW) : end + _WINDOW]
    printable = len(window) - len(window.translate(None, _PRINTABLE))
    if printable < _PRINTABLE_SHARE * len(window):
        return False
    before = data[max(0, start - _BLOB_CHARS) : start][::-1]
    after = data[end : end + _BLOB_CHARS]
    run = sum(len(match[0]) for part in (before, after) if (match := _BLOB_AFTER.match(part)))
    return run < _BLOB_CHARS


def _patterns(text: str) -> Iterator[_Pattern]:
    """All forms of one identifier, without doubles."""
    seen = set()
    for form, exact, any_case in _forms(text):
        lowered = exact.lower()
        key = lowered if any_case else exact
        pattern = _Pattern(text, form, exact, lowered, any_case)
        if key not in seen and (len(lowered) >= _MIN_ENCODED or pattern.is_word):
            seen.add(key)
            yield pattern


def _forms(text: str) -> Iterator[tuple[str, bytes, bool]]:
    """(form, bytes, whether it is looked for in any case)."""
    for written in _spellings(text):
        for cased in dict.fromkeys((written, written.lower(), written.upper())):
            raw = cased.encode()
            yield "plain", raw, True
            yield "utf-16le", cased.encode("utf-16-le"), True
            yield "utf-16be", cased.encode("utf-16-be"), True
            if not cased.isascii():
                yield "json", ascii(cased)[1:-1].replace("\\x", "\\u00").encode(), True
            if len(raw) >= _MIN_ENCODED:
                yield "hex", raw.hex().encode(), True
                for alignment in range(3):
                    encoded = _base64_at(raw, alignment)
                    yield "base64", encoded, False
                    yield "base64", encoded.translate(bytes.maketrans(b"+/", b"-_")), False
    if _UUID.fullmatch(text):
        yield "binary", bytes.fromhex(text.replace("-", "")), False


def _spellings(text: str) -> Iterator[str]:
    """The text itself, and a number without its punctuation."""
    yield text
    compact = "".join(character for character in text if character.isalnum())
    digits = sum(character.isdecimal() for character in compact)
    if compact != text and digits >= 7 and " " not in text:
        yield compact


def _base64_at(raw: bytes, alignment: int) -> bytes:
    """What is certain of the base64 of anything that holds `raw` at this offset modulo 3."""
    encoded = base64.b64encode(bytes(alignment) + raw + bytes(3))
    return encoded[-(-alignment * 8 // 6) : (alignment + len(raw)) * 8 // 6]
