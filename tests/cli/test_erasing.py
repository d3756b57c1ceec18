"""Erasure from the command line, against a real network of two members."""

from genesis.errors import EXIT_REFUSED

WHERE = ("--department", "cardio", "--study", "registry", "--policy", "HMB")


def test_erasures(hospital, enrol, department, ok, cli):
    """Objects by their department's head, then a consent and everything by the patient's wallet."""
    patient = enrol(15)
    ok("record", "add", patient.bundle, *WHERE, *hospital.node)
    listed = ok("record", "list", "--objects", *hospital.node)
    mine = [one["object"] for one in listed if one["handle"] == patient.handle]
    head = ("--department", "cardio", "--head-file", department, *hospital.opened, *hospital.node)
    erased = ok("record", "erase", *mine[:2], *head)
    assert erased["objects"] == mine[:2]
    shown = cli("show", mine[0], *hospital.node).out
    assert "yes, by erasure" in shown and "erased" in cli("show", mine[2], *hospital.node).out
    again = cli("record", "erase", mine[0], *head, "--json")
    assert again.code == EXIT_REFUSED and again.error["code"] == "already-done"
    wallet = (patient.wallet, *patient.member, *hospital.node)
    given = ok("consent", "standing", *wallet)["consent"]
    ok("patient", "erase", *wallet, "--consent", given[:8])
    assert not ok("consent", "list", *wallet)["standing"]
    ran = cli("patient", "erase", *wallet)
    assert ran.code == 0 and "does not call back what was released" in ran.out
    assert cli("consent", "standing", *wallet, "--json").error["code"] == "patient-erased"
    made = ok("record", "erasures", *hospital.node)
    assert [one["record"]["kind"] for one in made] == ["objects", "consent", "patient"]
    assert cli("record", "erasures", *hospital.node).code == 0
