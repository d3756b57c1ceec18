"""What the rows beside a transaction say: consents in normal form, the text of an application."""

from typing import TypeAlias

from msgspec import Struct


class _Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    pass


class Provision(_Body, frozen=True):
    """A node of FHIR R4 Consent.provision in normal form; empty tuples and zeros mean "any".
    Children are exceptions to their parent."""

    type: str
    actors: tuple[int, ...] = ()
    purposes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    start_ms: int = 0
    end_ms: int = 0
    provisions: tuple["Provision", ...] = ()


class ConsentDocument(_Body, frozen=True):
    """The row of a Consent: FHIR R4's status, scope and dateTime, and the root provision."""

    status: str
    scope: str
    date_time_ms: int
    provision: Provision


class Provision2(_Body, frozen=True):
    """The same in the wider form of the feature `consent-2`. Purposes may name a disease
    ("DS:MONDO:0005148"); `levels`: of the data, 1 to 5 (security label); `codes`: "system|code" of what the
    data say, `data_start_ms` and `data_end_ms`: when it was so. Codes and data periods the chain does not
    see (evaluate.py)."""

    type: str
    actors: tuple[int, ...] = ()
    purposes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    start_ms: int = 0
    end_ms: int = 0
    levels: tuple[int, ...] = ()
    codes: tuple[str, ...] = ()
    data_start_ms: int = 0
    data_end_ms: int = 0
    provisions: tuple["Provision2", ...] = ()


class ConsentDocument2(_Body, frozen=True, tag="consent-2"):
    """The row of a Consent in the wider form."""

    status: str
    scope: str
    date_time_ms: int
    provision: Provision2


AnyProvision: TypeAlias = Provision | Provision2
AnyConsent: TypeAlias = ConsentDocument | ConsentDocument2


class RequestText(_Body, frozen=True):
    """The row of an Apply: what people read."""

    title: str
    plan: str
