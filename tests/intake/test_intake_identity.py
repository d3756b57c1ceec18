import pytest

from chainnode.intake.identity import (
    FULL_URL_SYSTEM,
    ID_SYSTEM,
    idempotency_mac,
    identifier_mac,
    identifier_macs,
    patient_identifiers,
    shift_days,
)
from tests.intake.bundles import KEY, bundle, condition, intake, observation, patient

MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}


def numbers(*pairs: tuple[str, str]) -> list[dict]:
    return [{"system": system, "value": value} for system, value in pairs]


def test_the_record_number_comes_first_then_the_others_then_the_ids() -> None:
    listed = [
        *numbers(("http://z", "9z"), ("http://a", "2a")),
        {"type": MR, "system": "http://m", "value": "M77"},
    ]
    found = patient_identifiers(patient(identifier=listed), "urn:uuid:1")
    assert found == [
        ("http://m", "M77"),
        ("http://a", "2a"),
        ("http://z", "9z"),
        (ID_SYSTEM, "p1"),
        (FULL_URL_SYSTEM, "urn:uuid:1"),
    ]


def test_macs_depend_on_key_system_and_value_and_not_on_outer_space_or_form() -> None:
    mac = identifier_mac(KEY, "http://m", "Zoë 7")
    assert len(mac) == 16
    assert mac == identifier_mac(KEY, " http://m", "Zoe\u0308 7 ")
    others = [
        identifier_mac(bytes(32), "http://m", "Zoë 7"),
        identifier_mac(KEY, "http://n", "Zoë 7"),
        identifier_mac(KEY, "http://m", "Zoë 8"),
        identifier_mac(KEY, "http://mZ", "oë 7"),
    ]
    assert len({mac, *others}) == 5


def test_a_subject_is_known_by_all_its_identifiers() -> None:
    who = patient(identifier=numbers(("http://m", "M77"), ("http://s", "999-12-3456")))
    subject = intake(bundle(who)).subjects[0]
    assert identifier_mac(KEY, "http://s", "999-12-3456") in subject.identifier_macs
    assert subject.identifier_macs[0] == identifier_mac(KEY, "http://m", "M77")
    assert identifier_mac(KEY, ID_SYSTEM, "p1") in subject.identifier_macs


@pytest.mark.parametrize("value", ["unknown", "N/A", "000-00-0000", "9999", " ", "-", "", "None"])
def test_placeholders_are_not_identifiers(value: str) -> None:
    assert patient_identifiers({"identifier": numbers(("http://m", value))}, "") == []


@pytest.mark.parametrize("listed", [None, 5, "x", [5], [{"value": 5}], [{"system": 5, "value": "ab1"}], {}])
def test_identifiers_of_the_wrong_shape_do_no_harm(listed: object) -> None:
    found = patient_identifiers({"identifier": listed}, "")
    assert found in ([], [("", "ab1")])
    assert len(identifier_macs(KEY, found)) == len(found)


def test_the_same_content_is_recognised_whatever_its_order_ids_and_spacing() -> None:
    urls = {"p1": "urn:uuid:a", "c1": "urn:uuid:b"}
    who = patient(identifier=[{"type": MR, "system": "http://m", "value": "M77"}])
    first = intake(bundle(who, condition(), condition(id="c2", onsetDateTime="2015-01-01"), urls=urls))
    again = who | {"id": "other"}
    subject = {"reference": "Patient/other"}
    second = intake(
        bundle(
            again,
            condition(id="x", onsetDateTime="2015-01-01", subject=subject),
            condition(id="y", subject=subject),
        ).replace(b": ", b":  ")
    )
    assert first.subjects[0].idempotency == second.subjects[0].idempotency
    assert set(first.subjects[0].idempotency) == {"demographics", "conditions"}
    assert all(len(mac) == 16 for mac in first.subjects[0].idempotency.values())


def test_other_content_subject_class_profile_or_key_is_not_taken_for_the_same() -> None:
    data = bundle(patient(), condition())
    macs = [
        intake(data).subjects[0].idempotency["conditions"],
        intake(data, "shifted-dates").subjects[0].idempotency["conditions"],
        intake(data, key=bytes(32)).subjects[0].idempotency["conditions"],
        intake(bundle(patient(), condition(onsetDateTime="2011"))).subjects[0].idempotency["conditions"],
        intake(bundle(patient(), condition(), condition(id="c2"))).subjects[0].idempotency["conditions"],
        intake(data.replace(b'"p1"', b'"p2"').replace(b"/p1", b"/p2")).subjects[0].idempotency["conditions"],
        intake(data).subjects[0].idempotency["demographics"],
    ]
    assert len(set(macs)) == len(macs)


def test_adding_one_class_leaves_the_macs_of_the_others() -> None:
    before = intake(bundle(patient(), condition())).subjects[0].idempotency
    after = intake(bundle(patient(), condition(), observation())).subjects[0].idempotency
    assert before.items() < after.items()


def test_offsets_cover_one_to_a_year() -> None:
    days = [shift_days(KEY, bytes([n % 256, n // 256])) for n in range(4_000)]
    assert min(days) == 1 and max(days) == 365


def test_the_content_mac_binds_subject_class_and_profile() -> None:
    macs = {
        idempotency_mac(KEY, subject, data_class, profile, [b"a", b"b"])
        for subject in (b"x", b"y")
        for data_class in ("conditions", "observations")
        for profile in ("safe-harbor", "shifted-dates")
    }
    assert len(macs) == 8
    ordered, glued = ([b"b", b"a"], [b"ab"])
    assert idempotency_mac(KEY, b"x", "conditions", "safe-harbor", ordered) in macs
    assert idempotency_mac(KEY, b"x", "conditions", "safe-harbor", glued) not in macs
