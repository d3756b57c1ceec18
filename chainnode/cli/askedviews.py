"""How what a patient is asked is shown: in words, and as a QR code in text."""

import io
from enum import StrEnum
from typing import Annotated, Any

import segno
import typer

from chainnode.cli.actions.asked_words import Told, short, tell
from chainnode.cli.actions.asking import Asking
from chainnode.cli.output import pairs, show


class Language(StrEnum):
    """Of what patients read."""

    EN = "en"
    ZH = "zh"


LanguageOption = Annotated[
    Language, typer.Option("--lang", metavar="LANG", help="Of what the patient reads: en or zh.")
]
QrOption = Annotated[
    bool, typer.Option("--qr", help="Show a QR code too: who asks for what, for the patient's own phone.")
]


def qr_text(text: str) -> str:
    """A QR code (ISO/IEC 18004, correction level L) drawn with half blocks; two rows of it in a line."""
    drawn = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out=drawn, compact=True)
    return drawn.getvalue()


def show_asking(asking: Asking, language: Language, *, qr: bool, json: bool, **more: Any) -> None:
    """Print what is asked; `more` goes into the JSON."""
    told = tell(asking, language.value)
    data: dict[str, Any] = {
        **more,
        "asking": asking,
        "language": language.value,
        "title": told.title,
        "words": [list(line) for line in told.lines],
    }
    shown: list[Any] = [told_table(told)]
    if qr:
        data["qr"] = short(asking, language.value)
        shown += qr_text(data["qr"]).splitlines()
    show(data, *shown, json=json)


def told_table(told: Told) -> Any:
    """Two columns: what it is, and what is said of it."""
    return pairs(told.title, dict(told.lines))
