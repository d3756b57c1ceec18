"""Fingerprints to be read out by telephone: six words of a list of 2,048, 66 bits.

The words are made here, none is taken from a dictionary: consonant, vowel, consonant, vowel,
consonant. The last consonant is a check on the four sounds before it, so that two words of the list
differ in two sounds at least, and of words that differ only in sounds that telephones confuse (b and
p, d and t, e and i ...) one is kept. One misheard sound therefore gives no other word of the list.
"""

from itertools import product

from consensus.domain import digest

CONSONANTS = "bdfgklmnprstvz"
VOWELS = "aeiou"
WORD_COUNT = 2_048
WORD_BITS = 11
FINGERPRINT_WORDS = 6

_CONFUSED = str.maketrans("pdtgkvfzsmnlrieou", "bttkkffssnnrrEEOO")
_UNWANTED = frozenset({"penis", "semen", "nazis", "rapes", "fagot"})


def _skeleton(word: str) -> str:
    """The word as a bad line carries it."""
    return word.translate(_CONFUSED)


def _candidates() -> list[str]:
    """Every word whose last consonant checks the sounds before it, in a scattered but fixed order."""
    words = []
    for sounds in product(CONSONANTS, VOWELS, CONSONANTS, VOWELS):
        # A change of one sound moves the sum by less than 14 and not by 0: the check changes too.
        total = sum((CONSONANTS if i % 2 == 0 else VOWELS).index(s) for i, s in enumerate(sounds))
        words.append("".join(sounds) + CONSONANTS[total % len(CONSONANTS)])
    return sorted(words, key=lambda word: digest("word", word.encode("ascii")))


def _make_words() -> tuple[str, ...]:
    kept: dict[str, str] = {}
    for word in _candidates():
        if word not in _UNWANTED:
            kept.setdefault(_skeleton(word), word)
    assert len(kept) >= WORD_COUNT
    return tuple(sorted(list(kept.values())[:WORD_COUNT]))


WORDS = _make_words()
"""2,048 words in alphabetical order; both ends of a telephone line must have the same list."""


def fingerprint_words(data: bytes) -> tuple[str, ...]:
    """Six words: the first 66 bits of a digest of `data`, 11 bits a word. Who wants to pass other data
    off under the same words has some 2^66 digests to try."""
    hashed = digest("fingerprint", data)
    number = int.from_bytes(hashed, "big") >> (8 * len(hashed) - WORD_BITS * FINGERPRINT_WORDS)
    indices = [(number >> (WORD_BITS * place)) % WORD_COUNT for place in reversed(range(FINGERPRINT_WORDS))]
    return tuple(WORDS[index] for index in indices)
