"""Texts of others on a terminal: nothing in them is obeyed, and nothing hides."""

import unicodedata

UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories: controls, formats (which turn the direction of writing, or take no room), halves of
surrogates, separators of lines and of paragraphs."""


def unseen(character: str) -> bool:
    """Whether a terminal would obey or hide it."""
    return unicodedata.category(character) in UNSEEN


def visible(text: str) -> str:
    """`text` with whatever a terminal would obey or hide escaped as in Python: `\\x1b`, `\\u202e`, `\\n`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(ascii(one)[1:-1] if unseen(one) else one for one in text)
