"""Synthetic FHIR R4 transaction bundles, in the manner of Synthea, with identifiers in every place.

The same seed gives the same bytes. There is one patient in a bundle; 50 to 200 KB. No clock is read:
"today" is a constant.
"""

from collections.abc import Iterator
from random import Random

import msgspec

from chainnode.intake.planted import identifiers
from chainnode.intake.synthetic_course import course
from chainnode.intake.synthetic_fhir import TODAY, Chart
from chainnode.intake.synthetic_people import clinic, person

__all__ = ["identifiers", "synthetic_bundle", "synthetic_bundles"]

CLINICS = 6
"""Of one seed's world: patients share their clinics."""


def synthetic_bundle(seed: int, number: int = 0) -> bytes:
    """The bundle of patient `number` (0, 1, ...) of the world `seed`: a FHIR R4 transaction, JSON."""
    random = Random(f"chainnode/patient/{seed}/{number}")
    house = clinic(Random(f"chainnode/clinic/{seed}/{random.randrange(CLINICS)}"))
    patient = person(random, TODAY)
    chart = Chart(random, patient, house)
    chart.write(course(random, patient.birth, patient.gender, TODAY))
    return msgspec.json.encode({"resourceType": "Bundle", "type": "transaction", "entry": chart.entries})


def synthetic_bundles(seed: int, count: int) -> Iterator[bytes]:
    """`count` bundles of different patients of one world."""
    for number in range(count):
        yield synthetic_bundle(seed, number)
