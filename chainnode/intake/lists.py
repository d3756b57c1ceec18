"""Closed lists are written as text, one word after the other: easier to check against their source."""


def words(text: str) -> tuple[str, ...]:
    """The words of a text, in order."""
    return tuple(text.split())
