"""A patient signs on a device of their own: a kiosk writes a file, the wallet signs it, a node takes it."""

import pytest

from genesis.errors import EXIT_INPUT, EXIT_USAGE

WHERE = ("--department", "cardio", "--study", "registry", "--policy", "HMB")


def test_from_the_kiosk_to_the_wallet_and_back(hospital, enrol, apply, department, ok, cli, tmp_path):
    patient = enrol(31)
    added = ok("record", "add", patient.bundle, *WHERE, *hospital.node)["objects"]
    request, project = apply("--purpose", "HMB", "--from", "hospital-a", "--class", "conditions")
    file = tmp_path / "asked"
    asked = ok("kiosk", "request", patient.handle, request[:8], "--out", file, "--qr", *hospital.node)
    assert asked["qr"].startswith(f"chainnode:{request}") and added
    shown = cli("wallet", "read", file, "--lang", "zh", "--qr").out
    assert "用途" in shown and "Heart [study]" in shown and "▄" in shown
    sign = ("wallet", "sign", patient.wallet, file, *hospital.opened)
    assert cli(*sign, "--json").error["code"] == "CLI-01", "nobody said yes"
    signed = ok(*sign, "--yes")
    assert cli(*sign, "--yes", "--json").code == EXIT_USAGE, "it is not written over"
    done = ok("kiosk", "submit", signed["file"], *hospital.node)
    assert (done["kind"], done["parts"]) == ("grant", signed["parts"]) and signed["parts"] > 0
    assert cli("kiosk", "submit", file, *hospital.node, "--json").code == EXIT_INPUT
    signers = {"steward": hospital.steward_file, "head": department}
    for role, key in signers.items():
        more = ("--department", "cardio") if role == "head" else ()
        approve = ("--role", role, *more, "--key-file", key, *hospital.opened, *hospital.node)
        ok("request", "approve", request, *approve)
    ok("request", "release", request, *project, "--receipt", tmp_path / "receipt")
    fetched = ok("request", "fetch", request, *project, "--workspace", tmp_path / "ws")
    assert fetched["objects"] == signed["parts"]


def test_terms_and_what_is_taken_back(hospital, enrol, ok, tmp_path):
    patient = enrol(32)

    def signed(what, *more):
        file = tmp_path / f"{what}-{len(list(tmp_path.iterdir()))}"
        ok("kiosk", what, patient.handle, "--out", file, *more, *hospital.node)
        answer = ok("wallet", "sign", patient.wallet, file, *hospital.opened, "--yes")["file"]
        return ok("kiosk", "submit", answer, *hospital.node)

    assert signed("terms", "--purpose", "HMB", "--class", "conditions")["kind"] == "consent"
    (standing,) = ok("consent", "list", patient.handle, *hospital.node)["standing"]
    assert standing["document"]["provision"]["purposes"] == ["HMB"]
    assert signed("revoke", "--consent", standing["record"]["consent_id"][:8])["kind"] == "revoke"
    (standing,) = ok("consent", "list", patient.handle, *hospital.node)["standing"]
    assert standing["record"]["revoked"]["height"] > 0
    signed("revoke", "--class", "allergies")
    signed("revoke", "--all")
    shown = ok("consent", "list", patient.handle, *hospital.node)["revocations"]
    assert shown["all"]["height"] > 0 and shown["classes"][0]["data_class"] == "allergies"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_seed_phrase_gives_back_the_wallet(language, ok, cli, secret, tmp_path):
    opened = ("--passphrase-file", secret(), "--kdf", "interactive")
    ok("wallet", "new", tmp_path / "one", *opened)
    words = ok("wallet", "phrase", tmp_path / "one", *opened[:2], "--lang", language)["words"]
    (tmp_path / "paper").write_text("\n".join(words))
    ok("wallet", "restore", tmp_path / "two", "--phrase-file", tmp_path / "paper", *opened)
    again = ok("wallet", "phrase", tmp_path / "two", *opened[:2], "--lang", language)["words"]
    assert len(words) == 24 and again == words
    (tmp_path / "paper").write_text("\n".join(words[1:]))
    restored = cli(
        "wallet", "restore", tmp_path / "no", "--phrase-file", tmp_path / "paper", *opened, "--json"
    )
    assert restored.error["code"] == "CLI-02" and "23 words" in restored.error["what"]
    assert not (tmp_path / "no").exists()
    assert cli("wallet", "phrase", tmp_path / "one", *opened[:2]).out.count("\n") == 4
