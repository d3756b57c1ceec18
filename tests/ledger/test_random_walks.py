"""Random histories: whatever order things come in, the promises hold at every block."""

import random
from collections.abc import Callable

import pytest

from chainnode.ledger import view
from chainnode.ledger.admission import check_state
from chainnode.ledger.documents import Provision
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.payloads import (
    DENY,
    PERMIT,
    Consent,
    Erase,
    Grant,
    Payload,
    RequestRelease,
    Revoke,
    Withdraw,
)
from chainnode.ledger.state import State
from chainnode.ledger.transaction import Row, TransactionBody
from chainnode.ledger.verification import verify_receipt
from consensus.codec import decode
from genesis import cbor
from tests.ledger.receipts import authorised, receipt
from tests.ledger.scene import DEPARTMENT, PROVIDER, Scene, consent_row, pointer
from tests.ledger.world import Actor, id16, verify

NAMES = ("ada", "bob")
CLASSES = ("conditions", "medications")
Step = tuple[Actor, Payload, tuple[Row, ...]]


class Walk:
    """One scene and somebody who does things in it without a plan."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.scene = Scene()
        self.scene.enrol(*NAMES)
        self.objects = [f"{name}/{kind}" for name in NAMES for kind in CLASSES]
        handles = [self.scene.handle(one.split("/")[0]) for one in self.objects]
        self.scene.anchor(
            *(pointer(one, handles[n], one.split("/")[1]) for n, one in enumerate(self.objects))
        )
        self.requests = {name: self.scene.apply(*self.objects, name=name) for name in ("p1", "p2")}
        self.consent_ids: dict[str, list[bytes]] = {name: [] for name in NAMES}

    def step(self) -> Step:
        moves: list[Callable[[], Step]] = [
            self.patient_grant, self.patient_grant, self.provider_grant, self.provider_grant, self.consent,
            self.revoke, self.erase, self.withdraw, self.release, self.release, self.release,
        ]  # fmt: skip
        return self.rng.choice(moves)()

    def _decision(self) -> str:
        return PERMIT if self.rng.random() < 0.8 else DENY

    def patient_grant(self) -> Step:
        name, request = self.rng.choice(NAMES), self.rng.choice(list(self.requests.values()))
        objects = self.rng.choice([(), (), (f"{name}/conditions",)])
        actor = self.scene.patients[self.rng.choice([name, name, name, NAMES[0]])]
        return actor, self.scene.patient_grant(request, name, self._decision(), objects), ()

    def provider_grant(self) -> Step:
        request = self.rng.choice(list(self.requests.values()))
        objects = self.rng.choice([(), (), (id16(self.objects[0]), id16(self.objects[3]))])
        if self.rng.random() < 0.5:
            grant = Grant(request, "steward", b"", PROVIDER, "", self._decision(), objects, b"")
            return self.scene.steward, grant, ()
        grant = Grant(request, "head", b"", PROVIDER, DEPARTMENT, self._decision(), objects, b"")
        return self.scene.head, grant, ()

    def consent(self) -> Step:
        name, number = self.rng.choice(NAMES), self.rng.randrange(1_000)
        inner = Provision(DENY, classes=(self.rng.choice(CLASSES),))
        provision = self.rng.choice(
            [Provision(PERMIT), Provision(PERMIT, provisions=(inner,)), inner, Provision(PERMIT, actors=(1,))]
        )
        document = consent_row(f"{name}{number}", provision)
        consent_id = id16(f"consent {number}")
        self.consent_ids[name].append(consent_id)
        payload = Consent(self.scene.handle(name), consent_id, document.digest())
        return self.scene.patients[name], payload, (document,)

    def revoke(self) -> Step:
        name = self.rng.choice(NAMES)
        scopes = [("all", b""), ("class", self.rng.choice(CLASSES).encode())]
        scopes.append(("request", self.rng.choice(list(self.requests.values()))))
        scopes += [("consent", one) for one in self.consent_ids[name]]
        scope, target = self.rng.choice(scopes)
        return self.scene.patients[name], Revoke(self.scene.handle(name), scope, target), ()

    def erase(self) -> Step:
        """Mostly one consent: a patient who has everything erased says nothing any more."""
        name = self.rng.choice(NAMES)
        scopes = [("consent", one) for one in self.consent_ids[name]] or [("consent", id16("none"))]
        if self.rng.random() < 0.1:
            scopes = [("all", b"")]
        scope, target = self.rng.choice(scopes)
        return self.scene.patients[name], Erase(self.scene.handle(name), scope, target), ()

    def withdraw(self) -> Step:
        request = self.rng.choice(list(self.requests.values()))
        if self.rng.random() < 0.5:
            return self.scene.steward, Withdraw(request, "steward", PROVIDER, ""), ()
        return self.scene.patients[self.rng.choice(NAMES)], Withdraw(request, "patient", 0, ""), ()

    def release(self) -> Step:
        name = self.rng.choice(list(self.requests))
        return self.scene.project(name), RequestRelease(self.requests[name]), ()


def check_release(walk: Walk, request: bytes) -> bool:
    """The receipt verifies, and what is authorised was permitted by all. Whether anything was."""
    state = walk.scene.chain.state
    report = verify_receipt(receipt(walk.scene, request), walk.scene.chain.founding, verify=verify)
    for n, verdict in enumerate(report.release.verdicts):
        if verdict.rule:
            continue
        for role, slug in (("steward", ""), ("head", DEPARTMENT)):
            grant = view.grant(state, request, role, number=PROVIDER, slug=slug)
            assert grant is not None and grant.decision == PERMIT
            assert not grant.objects or verdict.object_id in grant.objects
        handle = walk.scene.handle(walk.objects[n].split("/")[0])
        patient = view.grant(state, request, "patient", handle=handle)
        assert patient is None or patient.decision == PERMIT or verdict.object_id not in patient.objects != ()
        if verdict.basis == "standing":
            assert view.consents(state, handle) is not None
    return report.release.outcome == "AUTHORISED"


@pytest.mark.parametrize("seed", range(4))
def test_promises_hold_at_every_block_of_a_random_history(seed: int) -> None:
    walk = Walk(seed)
    chain = walk.scene.chain
    outcomes = []
    for _ in range(120):
        actor, payload, rows = walk.step()
        submission = chain.submission(actor, payload, rows)
        body = decode(submission.transaction.body, TransactionBody, limit_bytes=1 << 20)
        refusal = check_state(body, chain.state, chain.context(), chain.rows.get, chain.included)
        result = chain.commit(submission).execution.results[0]
        assert result.code == (refusal.rule if refusal else "")
        if isinstance(payload, RequestRelease) and not result.code:
            outcomes.append(check_release(walk, payload.request_id))
    assert len(outcomes) > 10
    fresh = State({}.get)
    fresh.update({name[1:]: value for name, value in chain.backend.items() if name[:1] == b"s"}, {})
    assert fresh.root == chain.state.root


def test_random_histories_meet_both_outcomes() -> None:
    walk, outcomes = Walk(0), set()
    for _ in range(120):
        actor, payload, rows = walk.step()
        result = walk.scene.chain.run(actor, payload, rows)
        outcomes.add(result.outcome)
    assert outcomes == {"", "AUTHORISED", "REFUSED"}


PLAIN: list[cbor.Plain] = [None, True, 0, -1, 2**63, "", "text", b"", bytes(32), [], [b"", b""], {"a": 1}]


def test_a_receipt_with_any_part_replaced_gets_its_rule_and_nothing_else() -> None:
    scene, _, data = authorised()
    rng = random.Random(11)
    for _ in range(400):
        content = cbor.decode(data, limit_bytes=1 << 24)
        parts: list[tuple[list[cbor.Plain] | dict[str, cbor.Plain], int | str]] = []
        collect(content, parts)
        holder, place = rng.choice(parts)
        before = holder[place]  # type: ignore[index,call-overload]
        after = rng.choice(PLAIN)
        holder[place] = after  # type: ignore[index,call-overload]
        if after == before:
            continue
        with pytest.raises(VerificationError):
            verify_receipt(cbor.encode(content), scene.chain.founding, verify=verify)


def collect(
    value: cbor.Plain, parts: list[tuple[list[cbor.Plain] | dict[str, cbor.Plain], int | str]]
) -> None:
    """Every place in a CBOR value where something stands."""
    if isinstance(value, dict):
        for name, item in value.items():
            parts.append((value, name))
            collect(item, parts)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            parts.append((value, at))
            collect(item, parts)
