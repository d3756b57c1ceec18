"""24 words give back the very wallet, and a slip of the pen is noticed."""

import pytest

from chainnode.vault.phrase import LISTS, WORDS, PhraseError, phrase_of, wallet_of
from chainnode.vault.wallet import Wallet

SEED = bytes(range(32))


@pytest.mark.parametrize("language", LISTS)
def test_the_words_give_back_the_same_seed(language):
    for seed in (SEED, bytes(32), b"\xff" * 32):
        words = phrase_of(Wallet(seed), language)
        assert len(words) == WORDS and wallet_of("\n".join(words)).seed == seed
        assert wallet_of(" ".join(words).upper()).seed == seed


def test_chinese_words_may_stand_together():
    assert wallet_of("".join(phrase_of(Wallet(SEED), "zh"))).seed == SEED


def test_the_words_are_those_of_bip_39s_own_vectors():
    assert phrase_of(Wallet(bytes(32)), "en") == ("abandon",) * 23 + ("art",)
    assert phrase_of(Wallet(b"\xff" * 32), "en") == ("zoo",) * 23 + ("vote",)
    assert phrase_of(Wallet(b"\x80" * 32), "en")[:3] == ("letter", "advice", "cage")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda words: words[:-1], "23 words"),
        (lambda words: [*words, "art"], "25 words"),
        (lambda words: ["hospital", "chainnode", *words[2:]], "number 2"),
        (lambda words: [words[1], words[0], *words[2:]], "checksum"),
        (lambda words: ["x" * 600], "longer"),
        (lambda words: [], "0 words"),
    ],
)
def test_what_is_no_phrase_is_refused_with_the_reason(change, why):
    with pytest.raises(PhraseError, match=why):
        wallet_of(" ".join(change(list(phrase_of(Wallet(SEED), "en")))))
