"""Every command that talks to a node, against real ones: a network of two members."""

import json
import subprocess
import sys
from pathlib import Path

from genesis.errors import (
    EXIT_IN_USE,
    EXIT_INPUT,
    EXIT_KEY,
    EXIT_REFUSED,
    EXIT_USAGE,
    EXIT_VERIFY,
)

FAST = ("--kdf", "interactive")
WHERE = ("--department", "cardio", "--study", "registry", "--policy", "HMB")


EARLY, DISEASES = "feature-not-in-force", Path(__file__).parents[2] / "docs" / "diseases.json"
LABEL = '{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}'


def test_status_and_blocks(hospital, department, ok, cli):
    status = ok("status", *hospital.node)
    assert (status["slug"], status["voting"]) == ("hospital-a", True)
    heights = {one["department"]: one["height"] for one in ok("department", "list", *hospital.node)}
    assert ok("study", "list", *hospital.node)[0]["study"] == "registry"
    transaction = ok("show", heights["cardio"], *hospital.node)["transactions"][0]
    found = ok("show", transaction["id"], *hospital.node)
    assert (found["height"], found["code"], found["payload_kind"]) == (
        heights["cardio"],
        "ok",
        "add-department",
    )
    assert "state root" in cli("show", "1", *hospital.node).out
    assert "Node of hospital-a" in cli("status", *hospital.node).out


def test_what_is_not_there_is_not_found(hospital, cli):
    for id_ in ("99999", "ab" * 32, "ab" * 16):
        assert cli("show", id_, *hospital.node).code == EXIT_REFUSED
    assert cli("show", "not-hex", *hospital.node, "--json").error["code"] == "CLI-01"
    assert cli("patient", "show", "ab" * 16, *hospital.node, "--json").error["code"] == "unknown-patient"


def test_from_intake_to_the_table(hospital, enrol, apply, department, ok, cli, tmp_path):
    patient = enrol(0)
    assert ok("patient", "show", patient.handle, *hospital.node)["active"] is True
    dry = ok("record", "add", patient.bundle, *WHERE, "--dry-run", *hospital.node)
    assert dry["objects"] == 0 and dry["report"]["subjects"] == 1
    added = ok("record", "add", patient.bundle, *WHERE, "--report", tmp_path / "r.json", *hospital.node)
    assert added["objects"] >= 5
    assert json.loads((tmp_path / "r.json").read_text())["report"] == added["report"]
    again = ok("record", "add", patient.bundle, *WHERE, *hospital.node)
    assert again["objects"] == 0
    assert {one["reason"] for one in again["skipped"]} == {"taken-in-before"}
    listed = ok("record", "list", "--objects", *hospital.node)
    mine = [one["object"] for one in listed if one["handle"] == patient.handle]
    assert len(mine) == added["objects"]
    request, project = apply("--purpose", "HMB", "--object", ",".join(mine))
    refused = cli("request", "release", request, *project, "--receipt", tmp_path / "no", "--json")
    assert refused.code == EXIT_REFUSED
    assert refused.json["rule"] == "patient-not-signed" and refused.error["code"] == "CLI-10"
    signed = ok("consent", "sign", patient.wallet, request[:8], *patient.member, *hospital.node)
    assert signed["objects"] == len(mine)
    steward = ("--role", "steward", "--key-file", hospital.steward_file, *hospital.opened, *hospital.node)
    head = ("--role", "head", "--department", "cardio", "--key-file", department, *hospital.opened)
    ok("request", "approve", request, *steward)
    assert ok("request", "approve", request, *head, *hospital.node)["parts"] == len(mine)
    ok("request", "release", request, *project, "--receipt", tmp_path / "yes")
    fetched = ok("request", "fetch", request, *project, "--workspace", tmp_path / "ws")
    assert (fetched["objects"], fetched["failed"]) == (len(mine), [])
    files = [path for path in (tmp_path / "ws").rglob("*") if path.is_file()]
    assert len(files) == len(mine)
    assert all(path.stat().st_mode & 0o077 == 0 for path in [*files, tmp_path / "ws"])
    assert "Patients by condition" in cli("request", "fetch", request, *project, "--workspace", tmp_path).out
    assert "Heart [study]" in cli("request", "list", *hospital.node).out
    assert ok("show", request, *hospital.node)["state"] == "AUTHORISED"
    genesis = ("--genesis", hospital.genesis)
    for receipt, outcome in (("no", "REFUSED"), ("yes", "AUTHORISED")):
        proven = ok("verify", tmp_path / receipt, *genesis)
        assert proven["outcome"] == outcome
    released = ok("audit", "disclosures", patient.wallet, *hospital.opened, *genesis, *hospital.other)
    assert (released["handles"], released["complete"]) == ({"hospital-a": patient.handle}, True)
    (disclosed,) = released["disclosed"]
    assert (disclosed["from"], disclosed["to"], disclosed["purpose"]) == ("hospital-a", "hospital-b", "HMB")
    assert sorted(disclosed["objects"]) == sorted(mine) and disclosed["live"] == len(mine)
    told = cli("audit", "disclosures", patient.wallet, *hospital.opened, *genesis, *hospital.other).out
    assert "to hospital-b, onco, for project heart (HMB, not for profit" in told
    broken = bytearray((tmp_path / "yes").read_bytes())
    broken[len(broken) // 2] ^= 1
    (tmp_path / "broken").write_bytes(broken)
    assert cli("verify", tmp_path / "broken", "--genesis", hospital.genesis).code == EXIT_VERIFY
    assert cli("verify", tmp_path / "yes", "--json").error["code"] == "CLI-01"


def test_consents_and_revocations(hospital, enrol, apply, ok, cli, tmp_path):
    patient = enrol(1)
    ok("record", "add", patient.bundle, *WHERE, *hospital.node)
    wallet = (patient.wallet, *patient.member, *hospital.node)
    terms = ("--purpose", "HMB", "--class", "conditions", "--actor", "hospital-a", "--until", "2030-12-31")
    given = ok("consent", "standing", *wallet, *terms)["consent"]
    shown = ok("consent", "list", patient.handle, *hospital.node)
    provision = shown["standing"][0]["document"]["provision"]
    assert [provision[one] for one in ("purposes", "classes", "actors")] == [["HMB"], ["conditions"], [0]]
    assert provision["end_ms"] == 1_924_992_000_000
    exported = tmp_path / "exported.json"
    exported.write_text(cli("consent", "export", patient.handle, given[:8], *hospital.node).out)
    again = ok("consent", "standing", *wallet, "--fhir", exported)["consent"]
    listed = ok("consent", "list", "--handle", patient.handle, *hospital.node)["standing"]
    assert listed[0]["document"] == listed[1]["document"] and listed[1]["record"]["consent_id"] == again
    request, _ = apply("--purpose", "HMB", "--from", "hospital-a", "--class", "conditions")
    why = cli("consent", "explain", request, *hospital.node).out
    assert f"consent {given} of height" in why and "says nothing, for its actor is another one" in why
    assert "Signatures missing: patient, steward, head." in why
    exported.write_text(exported.read_text().replace('"class"', '"securityLabel": [' + LABEL + '], "class"'))
    assert cli("consent", "standing", *wallet, "--fhir", exported, "--json").error["code"] == EARLY
    by = ("--steward-file", hospital.steward_file, *hospital.opened, *hospital.node, "--json")
    assert cli("diseases", "publish", DISEASES, *by).error["code"] == EARLY
    ok("consent", "revoke", *wallet, "--consent", given[:12])
    ok("consent", "revoke", *wallet, "--class", "observations")
    ok("consent", "revoke", *wallet, "--all")
    shown = ok("consent", "list", *wallet)
    assert [one["data_class"] for one in shown["revocations"]["classes"]] == ["observations"]
    assert shown["standing"][0]["record"]["revoked"]["height"] and shown["revocations"]["all"]["height"]
    assert cli("consent", "revoke", *wallet).code == EXIT_USAGE
    odd = tmp_path / "consent.json"
    odd.write_text('{"modifierExtension": []}')
    assert cli("consent", "standing", *wallet, "--fhir", odd, "--json").error["code"] == "CLI-02"


def test_denials_and_withdrawals(hospital, enrol, apply, department, ok, cli):
    patient = enrol(2)
    ok("record", "add", patient.bundle, *WHERE, *hospital.node)
    request, project = apply("--purpose", "GRU", "--from", "hospital-a/cardio", "--class", "conditions")
    ok("consent", "deny", patient.wallet, request, *patient.member, *hospital.node)
    steward = ("--key-file", hospital.steward_file, *hospital.opened, *hospital.node)
    head = ("--role", "head", "--department", "cardio", "--key-file", department, *hospital.opened)
    ok("request", "deny", request, "--role", "steward", *steward)
    ok("request", "deny", request, *head, *hospital.node)
    decisions = {
        one["role"]: one["record"]["decision"] for one in ok("show", request, *hospital.node)["grants"]
    }
    assert decisions == {"patient": "deny", "steward": "deny", "head": "deny"}
    ok("request", "withdraw", request, "--role", "steward", *steward)
    ok("request", "withdraw", request, *head, *hospital.node)
    ok(
        "request",
        "withdraw",
        request,
        "--role",
        "patient",
        "--key-file",
        patient.wallet,
        *patient.member,
        *hospital.node,
    )
    assert ok("show", request, *hospital.node)["grants"] == []
    ok("request", "withdraw", request, "--role", "project", "--key-file", project[1], *project[2:])
    assert ok("show", request, *hospital.node)["state"] == "withdrawn"
    again = cli(
        "request", "withdraw", request, "--role", "project", "--key-file", project[1], *project[2:], "--json"
    )
    assert (again.code, again.error["code"]) == (EXIT_REFUSED, "already-done")


def test_a_strangers_signature_is_turned_away_as_this_nodes_statement(
    hospital, apply, enrol, ok, cli, tmp_path
):
    patient = enrol(3)
    ok("record", "add", patient.bundle, *WHERE, *hospital.node)
    request, _ = apply("--purpose", "HMB", "--from", "hospital-a")
    _, other = apply("--purpose", "HMB", "--from", "hospital-a")
    ran = cli("request", "release", request, *other, "--json")
    assert ran.code == EXIT_REFUSED
    assert ran.error["code"] == "not-permitted"
    assert "this node's own statement" in ran.error["unchanged"]
    (tmp_path / "statement").write_bytes(bytes.fromhex(ran.error["statement"]))
    proven = ok("verify", tmp_path / "statement", "--genesis", hospital.genesis)
    assert (proven["kind"], proven["refusal"]["rule"]) == ("statement", "not-permitted")


def test_a_refused_application_leaves_no_key_file(hospital, applicant, cli, tmp_path):
    project = tmp_path / "p.key"
    head = ("--department", "onco", "--head-file", applicant, *hospital.opened, *hospital.other)
    keys = ("--project-file", project, "--project-passphrase-file", hospital.passphrase, *FAST)
    text = ("--project", "p", "--title", "T", "--purpose", "HMB")
    unknown = ("--expires", "1d", "--object", "ab" * 16)
    ran = cli("request", "new", *head, *keys, *text, *unknown, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_REFUSED, "unknown-object")
    nothing = cli("request", "new", *head, *keys, *text, "--expires", "1d")
    assert nothing.code == EXIT_USAGE and "asks for 0 objects" in nothing.err
    assert not project.exists()


def test_bad_bundles_do_not_stop_the_good_ones(hospital, enrol, cli, tmp_path):
    good = enrol(4).bundle.read_bytes()
    resources = json.loads(good)
    resources["entry"].append({"resource": {"resourceType": "Observation", "status": 7}})
    bad = {
        "1-good": json.dumps(resources).encode(),
        "2-truncated": good[: len(good) // 2],
        "3-deep": b"[" * 100_000,
        "4-other": b'{"resourceType": "Patient"}',
        "5-empty": b"",
    }
    for name, data in bad.items():
        (tmp_path / f"{name}.json").write_bytes(data)
    ran = cli("record", "add", tmp_path, *WHERE, *hospital.node, "--json")
    assert ran.code == EXIT_INPUT
    assert [one["bundle"] for one in ran.json["failed"]] == [2, 3, 4, 5]
    assert ran.json["objects"] >= 5
    assert [(one["bundle"], one["resource"]) for one in ran.json["rejected"]] == [(1, "Observation")]
    assert ran.error["code"] == "CLI-08" and "4 of 5 bundles" in ran.error["what"]
    assert "2-truncated" not in ran.out + ran.err


def test_patients_that_are_not_active_are_skipped_and_the_exit_code_says_so(hospital, enrol, cli):
    patient = enrol(5, active=False)
    stranger = hospital.bundle(6)
    ran = cli("record", "add", patient.bundle, stranger, *WHERE, *hospital.node, "--json")
    reasons = {one["bundle"]: one["reason"] for one in ran.json["skipped"]}
    assert reasons == {1: "enrolment-not-active", 2: "patient-not-enrolled"}
    assert ran.json["objects"] == 0
    assert (ran.code, ran.error["code"]) == (EXIT_INPUT, "CLI-13")
    assert ran.error["next"].startswith(f"chainnode patient list --home {hospital.home}  # ")
    ran = cli("record", "add", stranger, *WHERE, *hospital.node, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_INPUT, "CLI-13")
    assert ran.error["next"].startswith("chainnode patient enrol --help")


def test_a_bundle_that_is_missing_and_one_policy_in_lower_case(
    hospital, department, enrol, ok, cli, tmp_path
):
    lower = (*WHERE[:-1], "hmb", *hospital.node)
    ran = cli("record", "add", tmp_path / "none.json", *lower, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_INPUT, "CLI-08")
    assert ran.error["unchanged"] == "nothing of these bundles was taken in", "there are no others"
    added = ok("record", "add", enrol(9).bundle, *lower)
    shown = cli("show", added["anchored"][0]["height"], *hospital.node).out
    assert added["anchored"][0]["transaction"] in shown, "ids are printed whole"
    objects = cli("record", "list", "--objects", *hospital.node).out
    assert all(one in objects for one in added["anchored"][0]["objects"])


def test_a_patient_gives_as_many_consents_again_after_revoking_everything(hospital, enrol, ok, cli):
    patient = enrol(10)
    wallet = (patient.wallet, *patient.member, *hospital.node)
    for _ in range(16):
        ok("consent", "standing", *wallet, "--class", "Conditions")
    ran = cli("consent", "standing", *wallet, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_REFUSED, "limit-reached")
    assert "revoke" in ran.error["next"]
    ok("consent", "revoke", *wallet, "--all")
    given = ok("consent", "standing", *wallet)["consent"]
    standing = ok("consent", "list", *wallet)["standing"]
    live = [one["record"] for one in standing if not one["record"]["revoked"]["height"]]
    assert [one["consent_id"] for one in live] == [given]


def test_a_list_says_that_consent_was_revoked_since_and_stands_in_80_columns(
    hospital, enrol, apply, department, ok, cli, tmp_path, monkeypatch
):
    patient = enrol(11)
    added = ok("record", "add", patient.bundle, *WHERE, *hospital.node)
    mine = ",".join(added["anchored"][0]["objects"])
    request, project = apply("--purpose", "hmb", "--object", mine)
    signer = (*hospital.opened, *hospital.node)
    head = ("--role", "head", "--department", "cardio", "--key-file", department)
    said = cli(
        "request", "approve", request, "--role", "steward", "--key-file", hospital.steward_file, *signer
    )
    assert "0 parts" not in said.out and "the head seals" in said.out
    ok("request", "approve", request[:8], *head, *signer)
    ok("consent", "sign", patient.wallet, request, *patient.member, *hospital.node)
    height = ok("request", "release", request, *project, "--receipt", tmp_path / "r")["height"]
    monkeypatch.setenv("COLUMNS", "80")
    before = ok("show", request[:8], *hospital.other)
    assert (before["state"], before["revoked_since"], before["member"]) == ("AUTHORISED", 0, "hospital-b")
    fetched = cli("request", "fetch", request, *project, "--workspace", tmp_path / "ws").out
    assert "<5: 1 to 4 patients, hidden" in fetched and "N+:" in fetched
    revoked = ok("consent", "revoke", patient.wallet, *patient.member, *hospital.node, "--all")
    after = ok("show", request, *hospital.other, "--min-height", revoked["height"])
    assert (after["state"], after["revoked_since"]) == ("AUTHORISED", added["objects"])
    assert {one["who"] for one in after["grants"]} == {"hospital-a", "hospital-a/cardio", patient.handle}
    shown = cli("request", "list", *hospital.other).out
    assert max(map(len, shown.splitlines())) <= 80
    (row,) = (part for part in shown.split("├") if request[:8] in part)
    cells = zip(*(line.split("│")[1:-1] for line in row.splitlines() if line.count("│") > 2), strict=True)
    _, what, signed, state = (" ".join(" ".join(cell).split()) for cell in cells)
    assert "Heart [study] hospital-b: HMB" in what and signed == "head permit patient permit steward permit"
    count = added["objects"]
    revoked_since = f"consent revoked since ({count} of {count} objects)"
    assert state == f"AUTHORISED at height {height}; {revoked_since}"


def test_enrolling_again_keeps_the_handle_and_another_patients_records_are_refused(hospital, enrol, ok, cli):
    patient = enrol(7)
    steward = ("--steward-file", hospital.steward_file, *hospital.opened, *hospital.node)
    again = ok("patient", "enrol", patient.card, "--identifier", "urn:mrn|12345678", *steward)
    assert again["handle"] == patient.handle
    other = enrol(8)
    ran = cli("patient", "enrol", other.card, "--bundle", patient.bundle, *steward, "--json")
    assert ran.error["code"] == "subject-linked"
    new = hospital.folder / "fresh.key"
    ok("wallet", "new", new, *hospital.opened, *FAST)
    ok("wallet", "card", new, "--genesis", hospital.genesis, *patient.member, "--out", hospital.folder / "f")
    ran = cli("patient", "enrol", hospital.folder / "f", "--bundle", patient.bundle, *steward, "--json")
    assert ran.error["code"] == "subject-linked"
    assert cli("patient", "enrol", patient.card, *steward, "--json").error["code"] == "CLI-01"


def test_the_wrong_file_role_or_socket_is_named(hospital, department, cli, tmp_path):
    wrong_kind = ("--steward-file", department, *hospital.opened)
    made = ("--head-file", tmp_path / "h", "--head-passphrase-file", hospital.passphrase, *FAST)
    ran = cli("department", "add", "onco", *wrong_kind, *made, *hospital.node, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_KEY, "KEY-04")
    assert not (tmp_path / "h").exists()
    socket = ("--socket", hospital.home / "run" / "researcher.sock")
    ran = cli("record", "add", hospital.bundle(0), *WHERE, *socket, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_REFUSED, "role-not-allowed")
    ran = cli("status", "--socket", tmp_path / "none.sock", "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_IN_USE, "GTW-01")
    ran = cli("record", "add", hospital.bundle(0), *WHERE[:3], "nope", *WHERE[4:], *hospital.node, "--json")
    assert ran.error["code"] == "unknown-study"


def test_a_home_in_use_is_not_run_twice(hospital):
    # In a process of its own: a daemon sets up logging for the whole process.
    command = [sys.executable, "-m", "chainnode.cli.main", "run", "--home", str(hospital.home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_IN_USE
    assert done.stderr.splitlines()[-3].startswith("error[STO-")


def test_the_node_does_not_run_without_its_assertions(hospital):
    command = [sys.executable, "-O", "-m", "chainnode.cli.main", "run", "--home", str(hospital.home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_USAGE
    assert done.stderr.splitlines()[-3].startswith("error[CLI-07]")
