"""Reading bundles for enrolment: whose they are."""

import msgspec

from chainnode.cli.errors import bad_input
from chainnode.intake.bundle import Limits, parse_bundle
from chainnode.intake.identity import Identifier, patient_identifiers


class _Entry(msgspec.Struct):
    resource: msgspec.Raw
    fullUrl: str = ""


class _Head(msgspec.Struct):
    resourceType: str


def bundle_identifiers(data: bytes, limits: Limits = Limits()) -> list[Identifier]:
    """The identifiers of the one Patient in a bundle.

    Raises BundleError INT-xx, or OperatorError CLI-02 where there is not exactly one Patient or it has
    no identifier.
    """
    patients = []
    for raw in parse_bundle(data, limits):
        try:
            entry = msgspec.json.decode(raw, type=_Entry)
            if msgspec.json.decode(entry.resource, type=_Head).resourceType == "Patient":
                patients.append((msgspec.json.decode(entry.resource), entry.fullUrl))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # not a Patient that anybody could read; intake lists it
    if len(patients) != 1:
        raise bad_input(
            f"the bundle holds {len(patients)} readable patients, enrolment needs exactly one",
            'enrol by --identifier "SYSTEM|VALUE" instead',
        )
    found = patient_identifiers(*patients[0])
    if not found:
        raise bad_input(
            "the bundle's patient has no identifier", 'enrol by --identifier "SYSTEM|VALUE" instead'
        )
    return found
