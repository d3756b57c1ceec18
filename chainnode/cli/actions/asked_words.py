"""What a file asks a patient to sign, in plain words: every field of it, in English or Chinese."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from chainnode.cli.actions import asked_texts as texts
from chainnode.cli.actions.asking import Application, Asking, TakingBack, Terms
from chainnode.cli.actions.consent_words import LAST_MS
from chainnode.cli.output import when
from chainnode.ledger.documents import AnyProvision, Provision2
from chainnode.ledger.fields import SCOPE_CLASS
from chainnode.ledger.payloads import ObjectPointer
from chainnode.ledger.rows import decode_consent
from chainnode.ledger.transaction import MAX_TRANSACTION_BYTES, Row
from consensus.codec import decode
from genesis.display import visible

Line = tuple[str, str]
"""What it is, and what is said of it."""
_SEPARATORS = (", ", "、")


@dataclass(frozen=True, slots=True)
class Told:
    """A headline and its lines, in one language."""

    title: str
    lines: tuple[Line, ...]


class _Teller:
    def __init__(self, asking: Asking, language: str) -> None:
        self._asking = asking
        self._at = texts.LANGUAGES.index(language)

    def _say(self, table: dict[str, tuple[str, str]], key: str) -> str:
        """A text; what no table knows stands there as it is."""
        return table[key][self._at] if key in table else key

    def _line(self, label: str, value: str) -> Line:
        return texts.LABELS[label][self._at], value

    def _value(self, key: str) -> str:
        return texts.VALUES[key][self._at]

    def _all(self, items: Iterator[str] | tuple[str, ...], empty: str) -> str:
        return _SEPARATORS[self._at].join(items) or self._value(empty)

    def told(self) -> Told:
        matter = self._asking.matter
        kind = str(matter.__struct_config__.tag)
        lines = [*self._head()]
        match matter:
            case Application():
                lines += self._application(matter)
            case Terms():
                lines += self._terms(matter)
            case TakingBack():
                lines += self._taking_back(matter)
        lines.append(self._line("effect", texts.EFFECTS[kind][self._at]))
        return Told(texts.TITLES[kind][self._at], tuple(lines))

    def _head(self) -> Iterator[Line]:
        one = self._asking
        yield self._line("hospital", one.name(one.member))
        yield self._line("handle", one.handle.hex())
        yield self._line("network", one.network)
        yield self._line("written", _time(one.time_ms))
        yield self._line("signed_until", str(one.valid_until_height))

    def _application(self, one: Application) -> Iterator[Line]:
        names = {"member": self._asking.name(one.member), "department": one.department}
        yield self._line("applicant", texts.DEPARTMENT[self._at].format(**names))
        yield self._line("project", one.project)
        yield self._line("title", one.title)
        yield self._line("plan", one.plan or self._value("none"))
        yield self._line("purpose", self._purpose(one.purpose.permission))
        yield self._line("disease", one.purpose.disease or self._value("none"))
        yield self._line("profit", self._value("yes" if one.purpose.for_profit else "no"))
        promises = (f"{self._say(texts.PROMISES, name)} ({name})" for name in one.purpose.modifiers)
        yield self._line("promises", self._all(promises, "none"))
        yield self._line("data", self._data(one))
        yield self._line("until", _time(one.expires_ms))
        yield self._line("application", one.request_id.hex())

    def _purpose(self, named: str) -> str:
        """`HMB`, or `DS:MONDO:0005148`."""
        permission, _, disease = named.partition(":")
        return f"{self._say(texts.PURPOSES, permission)} ({permission}{' ' + disease if disease else ''})"

    def _data(self, one: Application) -> str:
        pointers = (
            decode(half.pointer, ObjectPointer, limit_bytes=MAX_TRANSACTION_BYTES) for half in one.halves
        )
        counts = Counter(pointer.data_class for pointer in pointers)
        form = texts.COUNT[self._at]
        return self._all(
            tuple(
                form.format(what=self._say(texts.CLASSES, name), count=count)
                for name, count in counts.items()
            ),
            "none",
        )

    def _terms(self, one: Terms) -> Iterator[Line]:
        document = decode_consent(Row(b"", one.document))
        yield self._line("status", self._say(texts.STATUSES, document.status))
        yield self._line("scope", self._say(texts.MATTERS, document.scope))
        yield self._line("said", _time(document.date_time_ms))
        yield from self._provision(document.provision)
        yield from self._exceptions(document.provision, "")

    def _exceptions(self, parent: AnyProvision, place: str) -> Iterator[Line]:
        """A line for each, counted as `2.1`."""
        children: tuple[AnyProvision, ...] = parent.provisions
        for number, child in enumerate(children, 1):
            label, here = texts.LABELS["exception"][self._at], f"{place}{number}"
            said = "; ".join(f"{name}: {value}" for name, value in self._provision(child))
            yield f"{label} {here}", said
            yield from self._exceptions(child, f"{here}.")

    def _provision(self, one: AnyProvision) -> Iterator[Line]:
        yield self._line("decision", self._value(one.type))
        yield self._line("actors", self._all(map(self._asking.name, one.actors), "any"))
        yield self._line("purposes", self._all(map(self._purpose, one.purposes), "any"))
        yield self._line(
            "classes", self._all((self._say(texts.CLASSES, name) for name in one.classes), "any")
        )
        if isinstance(one, Provision2):
            yield self._line("levels", self._all(map(str, one.levels), "any"))
            yield self._line("codes", self._all(one.codes, "any"))
            yield self._line(
                "data_from", _time(one.data_start_ms) if one.data_start_ms else self._value("any")
            )
            yield self._line("data_until", _time(one.data_end_ms) if one.data_end_ms else self._value("any"))
        yield self._line("from", _time(one.start_ms) if one.start_ms else self._value("at_once"))
        yield self._line("until", _time(one.end_ms) if one.end_ms else self._value("never"))

    def _taking_back(self, one: TakingBack) -> Iterator[Line]:
        yield self._line("what", self._say(texts.TAKEN_BACK, one.scope))
        if one.scope == SCOPE_CLASS:
            name = one.target.decode("ascii", "backslashreplace")
            yield self._line("classes", self._say(texts.CLASSES, name))
        elif one.target:
            yield self._line("target", one.target.hex())


def _time(time_ms: int) -> str:
    return f"{when(min(time_ms, LAST_MS))} UTC"


def tell(asking: Asking, language: str) -> Told:
    """`language`: one of LANGUAGES."""
    return _Teller(asking, language).told()


def short(asking: Asking, language: str) -> str:
    """A few lines for a QR code, which any phone shows: what is asked, who asks, and the number by which the
    application is found."""
    at, told = texts.LANGUAGES.index(language), dict(tell(asking, language).lines)
    matter = asking.matter
    wanted = ["hospital"]
    if isinstance(matter, Application):
        wanted += ["applicant", "title", "purpose", "profit", "until"]
    labels = [texts.LABELS[name][at] for name in wanted]
    lines = [f"{label}: {visible(told[label])}" for label in labels]
    number = matter.request_id.hex() if isinstance(matter, Application) else asking.handle.hex()
    return "\n".join([f"chainnode:{number}", *lines])
