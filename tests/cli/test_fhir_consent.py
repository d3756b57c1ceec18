"""FHIR R4 Consent into the chain's normal form; what is not understood is refused, never dropped."""

import copy
import json

import pytest

from chainnode.cli.actions.fhir_consent import parse_consent
from chainnode.ledger.payloads import ConsentDocument, Provision
from chainnode.node.api import ChainInfo
from genesis.errors import EXIT_INPUT, OperatorError

INFO = ChainInfo(b"c" * 32, "net", 0, ((0, "hospital-a", "A"), (3, "hospital-d", "D")), 1, 1, 1_000, b"")
DAY_MS = 86_400_000
START_OF_2027 = 1_798_761_600_000
CONSENT = {
    "resourceType": "Consent",
    "id": "x",
    "status": "active",
    "scope": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]
    },
    "category": [{"text": "any"}],
    "patient": {"reference": "Patient/1"},
    "dateTime": "2027-01-01T12:00:00+01:00",
    "policyRule": {"text": "any"},
    "provision": {
        "type": "permit",
        "period": {"start": "2027-01-01", "end": "2027"},
        "actor": [{"role": {"text": "any"}, "reference": {"reference": "Organization/hospital-d"}}],
        "purpose": [{"code": "HMB"}, {"code": "DUO:0000042"}],
        "class": [{"code": "conditions"}, {"code": "MedicationRequest"}, {"code": "MedicationStatement"}],
        "provision": [{"type": "deny", "class": [{"code": "medications"}]}],
    },
}


def parse(change=lambda consent: None):
    consent = copy.deepcopy(CONSENT)
    change(consent)
    return parse_consent(json.dumps(consent).encode(), INFO)


def refusal(data):
    with pytest.raises(OperatorError) as caught:
        parse_consent(data, INFO)
    assert caught.value.code.exit_code == EXIT_INPUT
    return caught.value.what


def test_all_that_the_chain_evaluates_is_taken():
    assert parse() == ConsentDocument(
        "active",
        "research",
        START_OF_2027 + DAY_MS // 2 - 3_600_000,
        Provision(
            "permit",
            (3,),
            ("HMB", "GRU"),
            ("conditions", "medications"),
            START_OF_2027,
            START_OF_2027 + 365 * DAY_MS - 1,
            (Provision("deny", classes=("medications",)),),
        ),
    )


def test_a_provision_without_terms_means_anything():
    parsed = parse(lambda consent: consent.update(provision={"type": "permit"}))
    assert parsed.provision == Provision("permit")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.update(modifierExtension=[]), "modifierExtension"),
        (lambda c: c.update(implicitRules="x"), "implicitRules"),
        (lambda c: c["provision"].update(code=[]), "provision.code"),
        (lambda c: c["provision"].update(dataPeriod={}), "provision.dataPeriod"),
        (lambda c: c["provision"].update(securityLabel=[]), "provision.securityLabel"),
        (lambda c: c["provision"]["provision"][0].update(action=[]), "provision.provision.action"),
        (lambda c: c["provision"].pop("type"), "provision.type"),
        (lambda c: c.pop("provision"), "provision is missing"),
        (lambda c: c.pop("status"), "status"),
        (lambda c: c.pop("dateTime"), "dateTime"),
        (lambda c: c.update(dateTime="yesterday"), "dateTime is no date"),
        (lambda c: c.update(dateTime="2027-13-01T00:00:00Z"), "dateTime is no date"),
        (lambda c: c.update(scope={"coding": []}), "scope"),
        (lambda c: c["provision"].update(purpose=[{"code": "FUN"}]), "'FUN'"),
        (lambda c: c["provision"].update(purpose={"code": "HMB"}), "provision.purpose is no list"),
        (lambda c: c["provision"]["class"].append({"code": "Patient.name"}), "'Patient.name'"),
        (
            lambda c: c["provision"]["actor"].append({"reference": {"reference": "Organization/x"}}),
            "hospital-a",
        ),
        (lambda c: c["provision"].update(period={"start": "2027", "extension": []}), "provision.period"),
    ],
)
def test_what_would_change_the_meaning_is_refused_by_its_name(change, named):
    consent = copy.deepcopy(CONSENT)
    change(consent)
    assert named in refusal(json.dumps(consent).encode())


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"resourceType": "Patient"}', b"\xff", b"[" * 60_000, b" " * 70_000]
)
def test_what_is_no_consent_is_refused(data):
    refusal(data)


def test_exceptions_nested_too_deeply_are_refused():
    def nest(consent):
        inner = {"type": "permit"}
        for _ in range(6):
            inner = {"type": "permit", "provision": [inner]}
        consent["provision"] = inner

    consent = copy.deepcopy(CONSENT)
    nest(consent)
    assert "nested deeper" in refusal(json.dumps(consent).encode())
