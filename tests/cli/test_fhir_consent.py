"""FHIR R4 Consent into the chain's normal form; what is not understood is refused, never dropped."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainnode.cli.actions.fhir_consent import UnfitError, narrowest, parse_consent
from chainnode.cli.actions.fhir_export import to_fhir
from chainnode.cli.actions.fhir_words import ACT_REASON, CONFIDENTIALITY, MONDO_SYSTEM
from chainnode.ledger.documents import ConsentDocument, ConsentDocument2, Provision, Provision2
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
        "class": [
            {"code": "conditions"},
            {"code": "MedicationRequest"},
            {"code": "MedicationStatement"},
            {"code": "MedicationAdministration"},
        ],
        "provision": [{"type": "deny", "class": [{"code": "medications"}]}],
    },
}


def coding(system, code):
    return {"system": system, "code": code}


def concept(system, code):
    return {"coding": [coding(system, code)]}


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
        (lambda c: c["provision"].update(modifierExtension=[]), "unknown-modifier: provision.modifier"),
        (lambda c: c["provision"].update(extension=[]), "unknown-element: provision.extension"),
        (lambda c: c.update(_status={}), "unknown-element: _status"),
        (lambda c: c["scope"].update(extension=[]), "unknown-element: scope.extension"),
        (lambda c: c["provision"]["purpose"][0].update(extension=[]), "provision.purpose.extension"),
        (lambda c: c["provision"].update(data=[]), "unknown-element: provision.data"),
        (lambda c: c["provision"].update(code={}), "provision.code is no list"),
        (lambda c: c["provision"].update(code=[{"text": "diabetes"}]), "provision.code has not exactly one"),
        (
            lambda c: c["provision"].update(code=[concept("urn:oid:2.16.840", "8")]),
            "unknown-code: provision.code",
        ),
        (lambda c: c["provision"].update(dataPeriod={"start": "then"}), "bad-date: provision.dataPeriod"),
        (lambda c: c["provision"].update(securityLabel=[coding("x", "R")]), "unknown-code"),
        (lambda c: c["provision"].update(securityLabel=[coding(CONFIDENTIALITY, "M")]), "'M' of"),
        (lambda c: c["provision"].update(purpose=[coding("urn:mine", "HMB")]), "'HMB' of 'urn:mine'"),
        (lambda c: c["provision"].update(purpose=[coding(ACT_REASON, "TREAT")]), "'TREAT' of"),
        (lambda c: c["provision"]["class"].pop(), "part-of-a-class: provision.class names some of medic"),
        (lambda c: c["provision"]["actor"][0]["role"].update(coding=[{"code": "CST"}]), "'CST'"),
        (lambda c: c["provision"]["actor"][0].update(identifier={}), "provision.actor.identifier"),
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


R5 = {
    "resourceType": "Consent",
    "status": "active",
    "category": [concept("http://terminology.hl7.org/CodeSystem/consentcategorycodes", "rsdid")],
    "subject": {"reference": "Patient/1"},
    "date": "2027-01-01",
    "period": {"end": "2027"},
    "grantee": [{"reference": "Organization/hospital-d"}],
    "decision": "permit",
    "provision": [
        {
            "resourceType": [{"code": "MedicationRequest"}],
            "provision": [{"purpose": [coding(MONDO_SYSTEM, "MONDO:0005148")]}],
        }
    ],
}


def fifth(**changes):
    return parse_consent(json.dumps(copy.deepcopy(R5) | changes).encode(), INFO)


def test_the_fifth_release_is_read_with_its_decision_as_root_and_its_provisions_as_exceptions():
    inner = Provision2("permit", purposes=("DS:MONDO:0005148",))
    outer = Provision2("deny", classes=("medications",), provisions=(inner,))
    root = Provision2("permit", actors=(3,), end_ms=START_OF_2027 + 365 * DAY_MS - 1, provisions=(outer,))
    assert fifth() == ConsentDocument2("active", "research", START_OF_2027, root)
    assert fifth(status="not-done").status == "rejected"
    assert fifth(provision=[]) == ConsentDocument(
        "active", "research", START_OF_2027, Provision("permit", (3,), end_ms=root.end_ms)
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"status": "unknown"}, "unknown-code: status"),
        ({"decision": "maybe"}, "unknown-code: decision"),
        ({"category": []}, "no category says"),
        ({"category": [concept("http://loinc.org", "59284-0")]}, "no category says"),
        ({"scope": {}}, "unknown-element: scope"),
        ({"modifierExtension": []}, "unknown-modifier"),
        ({"grantee": [{"display": "everybody"}]}, "unknown-actor: grantee"),
        ({"provision": [{"type": "deny"}]}, "unknown-element: provision.type"),
        ({"provision": [{"action": []}]}, "unknown-element: provision.action"),
        ({"provision": [{"documentType": []}]}, "provision.documentType"),
        ({"provision": [{"expression": {}}]}, "provision.expression"),
        (
            {"provision": [{"provision": [{"resourceType": [{"code": "MedicationRequest"}]}]}]},
            "part-of-a-class",
        ),
        ({"date": "soon"}, "bad-date: date"),
    ],
)
def test_what_is_not_known_of_the_fifth_release_is_refused_by_rule(changes, named):
    assert named in refusal(json.dumps(copy.deepcopy(R5) | changes).encode())


def test_what_the_chain_does_not_see_is_taken_in_the_second_form_and_only_then():
    def widen(consent):
        consent["provision"].update(
            code=[concept("http://loinc.org", "2345-7")],
            dataPeriod={"start": "2027"},
            securityLabel=[coding(CONFIDENTIALITY, "R"), coding(CONFIDENTIALITY, "N")],
            purpose=[coding(ACT_REASON, "HRESCH")],
        )

    found = parse(widen)
    assert isinstance(found, ConsentDocument2)
    root = found.provision
    assert (root.levels, root.codes, root.purposes) == ((3, 4), ("http://loinc.org|2345-7",), ("HMB",))
    assert (root.data_start_ms, root.data_end_ms) == (START_OF_2027, 0)
    assert isinstance(parse(), ConsentDocument)


def wide(kind, depth):
    other = "deny" if kind == "permit" else "permit"
    few = {"max_size": 2, "unique": True}
    times = st.sampled_from([0, 1, START_OF_2027 + 999])
    return st.builds(
        Provision2,
        st.just(kind),
        st.lists(st.sampled_from([0, 3]), **few).map(tuple),
        st.lists(st.sampled_from(["HMB", "POA", "DS", "DS:MONDO:0005148"]), **few).map(tuple),
        st.lists(st.sampled_from(["conditions", "medications"]), **few).map(tuple),
        times,
        times,
        st.lists(st.integers(1, 5), **few).map(sorted).map(tuple),
        st.lists(st.sampled_from(["http://loinc.org|1", "http://snomed.info/sct|2"]), **few).map(tuple),
        times,
        times,
        st.lists(wide(other, depth - 1), max_size=2).map(tuple) if depth > 1 else st.just(()),
    )


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["permit", "deny"]).flatmap(lambda kind: wide(kind, 3)),
    st.sampled_from(["active", "draft"]),
)
def test_a_consent_that_goes_out_comes_in_again_as_it_was(root, status):
    held = narrowest(ConsentDocument2(status, "research", 1_234_567_890_123, root))
    told = to_fhir(held, INFO, consent_id=b"c" * 16, handle=b"h" * 16)
    assert parse_consent(json.dumps(told).encode(), INFO) == held


@pytest.mark.parametrize(
    "root",
    [
        Provision2("permit", purposes=("DS:D50",)),
        Provision2("permit", codes=("mine|1",)),
        Provision2("permit", codes=("bare",)),
        Provision2("permit", start_ms=2**53),
    ],
)
def test_what_fhir_has_no_word_for_does_not_go_out(root):
    with pytest.raises(UnfitError, match="cannot-be-told"):
        to_fhir(ConsentDocument2("active", "research", 0, root), INFO, consent_id=b"", handle=b"")
