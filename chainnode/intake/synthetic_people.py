"""Invented people for synthetic bundles: nobody's name, number or address, and easy to search for.

Names are made of syllables that form no word; telephone numbers use the fictional 555 exchange, social
security numbers the never-assigned area 999, mail the reserved domain `example`.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from chainnode.intake.lists import words

_FIRST = words("Brin Calo Drev Eskel Fjor Gwen Halv Ilva Jorv Kesh Lunt Merv Nevro Othra Pell Quor")
_SECOND = words("ando bertil corvo danek eskar fortun gardil holtan ingar jelmo kurosk lindra mundar norrik")
_GIVEN_END = words("abel ciro dalia endra fenno gilda hesper irmin jocca kaleth lorim nessa orlan phira")
_TOWN_END = words("ville mouth burgh haven minster bridge")
_STREET_END = words("Lane Street Avenue Court Terrace Square")

_PLACES = (
    ("Massachusetts", "021", 30),
    ("Massachusetts", "017", 20),
    ("Connecticut", "060", 12),
    ("Rhode Island", "028", 8),
    ("New Hampshire", "030", 8),
    ("Maine", "041", 8),
    ("Vermont", "054", 6),
    ("Vermont", "059", 4),
    ("New York", "100", 10),
)
"""(state, ZIP3, weight). 059 is one of the areas of fewer than 20,000 people."""

OLDEST_YEARS = 97


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address in the United States."""

    line: str
    city: str
    state: str
    postal_code: str


@dataclass(frozen=True, slots=True)
class Person:
    """A patient, with everything that must never be seen outside."""

    gender: str
    given: tuple[str, str]
    family: str
    birth: date
    address: Address
    phone: str
    mobile: str
    fax: str
    email: str
    ssn: str
    mrn: str
    licence: str
    passport: str
    plan_number: str
    account: str
    mother: str
    birth_city: str
    contact: tuple[str, str]
    contact_phone: str

    @property
    def full_name(self) -> str:
        """As it is written into narratives and notes."""
        return f"{self.given[0]} {self.family}"


@dataclass(frozen=True, slots=True)
class Clinic:
    """Who treats: an organisation and one of its doctors."""

    name: str
    address: Address
    phone: str
    doctor_given: str
    doctor_family: str
    npi: str


def digits(random: Random, count: int) -> str:
    """Random decimal digits; the first is not 0."""
    return str(random.randrange(10 ** (count - 1), 10**count))


def _family(random: Random) -> str:
    return random.choice(_FIRST) + random.choice(_SECOND)


def _given(random: Random) -> str:
    return random.choice(_FIRST) + random.choice(_GIVEN_END)


def _town(random: Random) -> str:
    return random.choice(_FIRST) + random.choice(_SECOND) + random.choice(_TOWN_END)


def _phone(random: Random) -> str:
    return f"555-{digits(random, 3)}-{digits(random, 4)}"


def address(random: Random) -> Address:
    """Somewhere in the north-east of the United States."""
    state, prefix, _ = random.choices(_PLACES, weights=[place[2] for place in _PLACES])[0]
    street = f"{random.randrange(1_000, 9_999)} {_family(random)} {random.choice(_STREET_END)}"
    return Address(street, _town(random), state, prefix + digits(random, 2))


def person(random: Random, today: date) -> Person:
    """A patient between 4 and 97 years old, most of them past fifty."""
    age_days = int(random.triangular(4, OLDEST_YEARS, 66) * 365.25)
    given, family = (_given(random), _given(random)), _family(random)
    return Person(
        gender=random.choice(("male", "female")),
        given=given,
        family=family,
        birth=today - timedelta(days=age_days),
        address=address(random),
        phone=_phone(random),
        mobile=_phone(random),
        fax=_phone(random),
        email=f"{given[0]}.{family}{digits(random, 3)}@post.example".lower(),
        ssn=f"999-{digits(random, 2)}-{digits(random, 4)}",
        mrn=f"MRN{digits(random, 9)}",
        licence=f"S99{digits(random, 6)}",
        passport=f"X{digits(random, 8)}X",
        plan_number=f"HP{digits(random, 10)}",
        account=f"ACC-{digits(random, 8)}",
        mother=f"{_given(random)} {_family(random)}",
        birth_city=_town(random),
        contact=(_given(random), _family(random)),
        contact_phone=_phone(random),
    )


def clinic(random: Random) -> Clinic:
    """An organisation with one doctor."""
    return Clinic(
        name=f"{_family(random)} Memorial Hospital",
        address=address(random),
        phone=_phone(random),
        doctor_given=_given(random),
        doctor_family=_family(random),
        npi=f"99{digits(random, 8)}",
    )
