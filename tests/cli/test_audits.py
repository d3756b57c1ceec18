"""Audits and answers from a running network, and checked without it."""

import cbor2

from chainnode.cli.actions.disclosures import History, Unproven
from chainnode.cli.auditviews import history_data, history_sentences
from genesis.errors import EXIT_REFUSED, EXIT_USAGE, EXIT_VERIFY


def test_an_answer_proves_that_there_is_no_consent_and_then_that_there_is(
    hospital, enrol, apply, ok, cli, tmp_path
):
    patient, genesis = enrol(21), ("--genesis", hospital.genesis)
    out = tmp_path / "answer"
    made = ok("audit", "consent", patient.handle, "--out", out, "--strong", *hospital.node)
    assert (made["no_consent"], made["enrolled"], made["standing"]) == (True, True, [])
    proven = ok("verify", out, *genesis, "--max-age", "12h")
    assert (proven["kind"], proven["no_consent"], proven["height"]) == (
        "consent-answer",
        True,
        made["height"],
    )
    words = cli("verify", out, *genesis).out
    assert f"no consent as of height {made['height']}" in words and "this machine's clock" in words
    assert cli("verify", out, *genesis, "--max-age", "0s").code == EXIT_VERIFY
    assert cli("verify", out, *genesis, "--max-age", "soon").code == EXIT_USAGE
    wallet = (patient.wallet, *patient.member, *hospital.node)
    given = ok("consent", "standing", *wallet, "--purpose", "HMB")
    more = ("--min-height", given["height"], *hospital.node)
    stands = ok("audit", "consent", patient.handle, "--out", out, *more)
    assert [one["consent_id"] for one in stands["standing"]] == [given["consent"]]
    assert ok("verify", out, *genesis)["no_consent"] is False
    forged = cbor2.loads(out.read_bytes())
    forged["records"].pop()
    out.write_bytes(cbor2.dumps(forged, canonical=True))
    assert cli("verify", out, *genesis).code == EXIT_VERIFY


def test_an_audit_is_made_at_a_node_and_checked_without_one(hospital, enrol, ok, cli, tmp_path):
    patient, genesis, out = enrol(22), ("--genesis", hospital.genesis), tmp_path / "audit"
    revoked = ok("consent", "revoke", patient.wallet, *patient.member, *hospital.node, "--all")
    wait = ("--min-height", revoked["height"], "--out", out)
    made = ok("audit", "patient", patient.handle, *wait, *hospital.other)
    kinds = ["enrol-patient", "attest-enrolment", "prove-enrolment", "revoke"]
    assert [one["payload_kind"] for one in made["entries"]] == kinds
    checked = ok("verify", out, *genesis)
    assert checked["entries"] == made["entries"] and checked["from_the_first_block"] is True
    shown = cli("verify", out, *genesis).out
    assert "Gap-free from height 1" in shown and patient.handle in shown
    late = ok("audit", "patient", patient.handle, "--from", revoked["height"], *wait, *hospital.node)
    assert ([one["payload_kind"] for one in late["entries"]], late["unproven_ties"]) == (["revoke"], 0)
    assert ok("audit", "hospital", "hospital-a", *wait, *hospital.node)["subject"]["id"] == "0"
    assert "Gap-free" in cli("verify", out, *genesis).out
    forged = cbor2.loads(out.read_bytes())
    forged["blocks"].pop(0)
    out.write_bytes(cbor2.dumps(forged | {"first": 2}, canonical=True))
    assert "Gap-free" in cli("verify", out, *genesis).out, "a shorter range is another audit, and says so"
    forged["blocks"].pop(3)
    out.write_bytes(cbor2.dumps(forged | {"first": 2}, canonical=True))
    assert cli("verify", out, *genesis).code == EXIT_VERIFY
    assert ok("audit", "project", "hospital-b/none/none", *hospital.node)["entries"] == []
    assert ok("audit", "object", "ab" * 16, *hospital.node)["entries"] == []


def test_what_is_no_subject_or_range_is_named(hospital, cli):
    for words in (
        ("patient", "ab"),
        ("object", "xy"),
        ("hospital", "hospital-a", "--from", "9", "--to", "3"),
    ):
        assert cli("audit", *words, *hospital.node).code == EXIT_USAGE
    late = ("hospital", "hospital-a", "--to", "9999")
    assert cli("audit", *late, *hospital.node, "--json").error["code"] == "unknown-block"
    assert cli("audit", "hospital", "nobody", *hospital.node).code == EXIT_REFUSED
    assert cli("audit", "project", "a/b", *hospital.node).code == EXIT_REFUSED


def test_a_release_that_is_proven_no_longer_is_told_beside_the_others():
    history = History({0: bytes(16)}, (), (Unproven(bytes(16), 7, "verdict-differs"),), 9, True)
    known, told = history_sentences(history, {0: "hospital-a"})
    assert "hospital-a" in known and "Height 7" in told and "verdict-differs" in told and "erased" in told
    assert history_data(history, {})["unproven"] == [
        {"request": bytes(16), "height": 7, "rule": "verdict-differs"}
    ]
    nothing = History({0: bytes(16)}, (), (), 9, True)
    assert history_sentences(nothing, {})[-1] == "Nothing was released to anybody."
