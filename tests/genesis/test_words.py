"""Fingerprints that are read out by telephone."""

from hashlib import sha256
from itertools import combinations

from consensus.domain import digest
from genesis.words import CONSONANTS, FINGERPRINT_WORDS, VOWELS, WORD_BITS, WORDS, fingerprint_words


def test_there_are_2048_distinct_words_in_alphabetical_order():
    assert len(WORDS) == 2**WORD_BITS == len(set(WORDS))
    assert list(WORDS) == sorted(WORDS)


def test_the_list_never_changes_for_both_ends_must_have_the_same():
    listed = sha256("\n".join(WORDS).encode()).hexdigest()
    assert listed == "0f47e4fe4115ffd2581182c6962409a833ec63ced1b9b0f7f35ad652ec5a5dff"


def test_words_can_be_spoken_consonant_and_vowel_in_turn():
    for word in WORDS:
        assert len(word) == 5
        assert all(sound in (VOWELS if place % 2 else CONSONANTS) for place, sound in enumerate(word))


def test_one_misheard_sound_never_gives_another_word():
    masked = [word[:place] + "?" + word[place + 1 :] for word in WORDS for place in range(5)]
    assert len(masked) == len(set(masked))


def test_no_two_words_differ_only_in_sounds_that_telephones_confuse():
    alike = ("bp", "dt", "gk", "fv", "sz", "mn", "lr", "ei", "ou")
    confused = str.maketrans({sound: pair[0] for pair in alike for sound in pair})
    assert len({word.translate(confused) for word in WORDS}) == len(WORDS)


def test_six_words_are_the_first_66_bits_of_the_digest():
    data = b"what is signed"
    words = fingerprint_words(data)
    assert len(words) == FINGERPRINT_WORDS
    bits = "".join(f"{WORDS.index(word):011b}" for word in words)
    assert bits == f"{int.from_bytes(digest('fingerprint', data), 'big'):0256b}"[:66]


def test_different_data_has_different_words():
    prints = [fingerprint_words(bytes([i])) for i in range(64)]
    assert all(one != other for one, other in combinations(prints, 2))
