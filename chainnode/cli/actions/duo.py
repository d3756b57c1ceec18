"""The terms of GA4GH's Data Use Ontology by their ids: DUO 2021-02-23, permissions and modifiers."""

from collections.abc import Iterable

from chainnode.ledger.payloads import MODIFIERS, PERMISSIONS, Purpose, UsePolicy

TERMS = {
    "DUO:0000004": "NRES",
    "DUO:0000042": "GRU",
    "DUO:0000006": "HMB",
    "DUO:0000007": "DS",
    "DUO:0000011": "POA",
    "DUO:0000012": "RS",
    "DUO:0000015": "NMDS",
    "DUO:0000016": "GSO",
    "DUO:0000018": "NPUNCU",
    "DUO:0000019": "PUB",
    "DUO:0000020": "COL",
    "DUO:0000021": "IRB",
    "DUO:0000022": "GS",
    "DUO:0000024": "MOR",
    "DUO:0000025": "TS",
    "DUO:0000026": "US",
    "DUO:0000027": "PS",
    "DUO:0000028": "IS",
    "DUO:0000029": "RTN",
    "DUO:0000043": "CC",
    "DUO:0000044": "NPOA",
    "DUO:0000045": "NPU",
    "DUO:0000046": "NCU",
}
"""Every term that a policy or a purpose may name."""
CODES = {name: code for code, name in TERMS.items()}
PERMISSION_CODES = {code: name for code, name in TERMS.items() if name in PERMISSIONS}

assert set(CODES) == {*PERMISSIONS, *MODIFIERS}


def named(given: Iterable[str]) -> tuple[str, ...]:
    """Ids, as `DUO:0000042` or the `duo:0000042` of a registry, by their short names; the rest as it is."""
    return tuple(TERMS.get(one.upper(), one) for one in given)


def codes(use: UsePolicy | Purpose) -> tuple[str, ...]:
    """A policy or purpose as ids, the permission first; the disease of DS behind it, by its own id."""
    disease = (use.disease,) if use.disease else ()
    return (CODES[use.permission], *disease, *(CODES[one] for one in use.modifiers))
