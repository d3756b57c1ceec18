"""Checks before anything is executed, against the bare verification of as many signatures: what Python
costs on top is the ratio less one."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nacl.bindings import crypto_sign_open

from bench.suite import Group, Sizes, Suite
from bench.timing import Case
from bench.world import CHAIN_ID, PARAMETERS, World, batch_claims, claim, verify_raw
from chainnode.ledger.admission import check_form
from chainnode.ledger.rules import Refusal
from chainnode.ledger.transaction import Submission
from chainnode.vault.keys import valid_point, verify


def _form(world: World) -> Group:
    submission = world.consents(1)[0]
    signed, key = claim(submission.transaction)

    def check(_: object) -> None:
        checked = check_form(
            submission,
            chain_id=CHAIN_ID,
            height=1,
            parameters=PARAMETERS,
            verify=verify,
            valid_point=valid_point,
        )
        assert not isinstance(checked, Refusal), checked

    return Group(
        "one",
        "one consent with its row",
        [
            Case("raw verify", "transaction", 1, lambda _: crypto_sign_open(signed, key)),
            Case("check_form", "transaction", 1, check, floor="raw verify"),
        ],
    )


def _batch(world: World, what: str, submissions: Sequence[Submission]) -> Group:
    batch, count = world.batch(submissions), len(submissions)
    claims = batch_claims(world, batch)
    return Group(
        f"{count} {what}",
        f"a batch of {count:,} {what}, {len(batch.body) / 1e3:,.0f} kB",
        [
            Case("raw verify", "transaction", count, lambda _: verify_raw(claims)),
            Case(
                "check_batch",
                "transaction",
                count,
                lambda _: world.check(batch),
                floor="raw verify",
            ),
            Case(
                "check_batch, signatures known",
                "transaction",
                count,
                lambda _: world.check(batch, _good),
                floor="raw verify",
            ),
        ],
    )


def _good(_key: bytes, _signed: bytes, _signature: bytes) -> bool:
    """What is left of a check when nothing is to be verified."""
    return True


def build(sizes: Sizes, _: Path) -> Iterator[Group]:
    world = World(sizes.patients)
    yield _form(world)
    kinds: list[tuple[str, Callable[[int], list[Submission]]]] = [
        ("consents with rows", world.consents),
        ("revocations", world.revocations),
        ("consents and anchors", world.mix),
    ]
    for count in sizes.blocks:
        for what, make in kinds:
            yield _batch(world, what, make(count))


SUITE = Suite("admission", "Form of transactions and batches, without execution", build)
