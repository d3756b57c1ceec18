"""A wallet's seed as 24 words, to be written on paper: BIP-39, whose word lists `mnemonic` holds.

The words carry the 32 bytes of the seed themselves and 8 bits of checksum, so that they give back this very
wallet; BIP-39's second step, which stretches words under a passphrase into another seed, has no part in it.
"""

from mnemonic import Mnemonic

from chainnode.vault.keys import SEED_BYTES
from chainnode.vault.wallet import Wallet

WORDS = 24
LISTS = {"en": "english", "zh": "chinese_simplified"}
"""BIP-39's word lists, by language."""
MAX_PHRASE_CHARACTERS = 512


class PhraseError(ValueError):
    """It is no seed phrase; says why."""


def phrase_of(wallet: Wallet, language: str) -> tuple[str, ...]:
    """The 24 words, in the language "en" or "zh"."""
    return tuple(Mnemonic(LISTS[language]).to_mnemonic(wallet.seed).split())


def wallet_of(text: str) -> Wallet:
    """The wallet of 24 words in either language, apart by blanks or lines; Chinese ones may stand together.

    Raises PhraseError: the number of words, a word that is on no list, or the checksum.
    """
    if len(text) > MAX_PHRASE_CHARACTERS:
        raise PhraseError(f"it is longer than {MAX_PHRASE_CHARACTERS} characters")
    words = [word for part in text.split() for word in ([part] if part.isascii() else part)]
    if len(words) != WORDS:
        raise PhraseError(f"it has {len(words)} words, {WORDS} are needed")
    lists = [Mnemonic(name) for name in LISTS.values()]
    given = [word.lower() for word in words]
    known = [[at for at, word in enumerate(given) if word not in one.wordlist] for one in lists]
    fits = min(range(len(lists)), key=lambda at: len(known[at]))
    if known[fits]:
        places = ", ".join(str(at + 1) for at in known[fits])
        raise PhraseError(f"these of its words are on no word list: number {places}")
    if not lists[fits].check(" ".join(given)):
        raise PhraseError("its checksum is wrong: a word is another one, or two have changed places")
    seed = bytes(lists[fits].to_entropy(given))
    assert len(seed) == SEED_BYTES
    return Wallet(seed)
