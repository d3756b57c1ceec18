"""One long story on a chain, with successes and failures of every kind: for comparing two tellings."""

from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import DENY, PERMIT, RequestRelease, ShareReceipt
from tests.ledger.scene import PROVIDER, REQUESTER, Scene, pointer
from tests.ledger.world import digest32


def tell(scene: Scene | None = None) -> Scene:
    """The scene at the story's end; a new one, or one that has no patients yet."""
    scene = scene or Scene()
    chain = scene.chain
    scene.enrol("ada", "bob", "cyd")
    scene.anchor(
        *(pointer(f"{name}{n}", scene.handle(name)) for name in ("ada", "bob", "cyd") for n in range(3))
    )
    request = scene.apply("ada0", "bob1", "cyd2", "bob0")
    scene.consent("bob", Provision(PERMIT, provisions=(Provision(DENY, actors=(1,)),)))
    scene.grant_steward(request)
    again = chain.submission(scene.steward, scene.patient_grant(request, "ada"))
    chain.commit(
        chain.submission(scene.project(), RequestRelease(request)),
        chain.submission(scene.patients["ada"], scene.patient_grant(request, "ada")),
        chain.submission(scene.patients["cyd"], scene.patient_grant(request, "cyd", DENY)),
        again,
        again,
    )
    scene.grant_head(request)
    height = scene.release(request).height
    chain.run(
        chain.validators[PROVIDER],
        ShareReceipt(request, height, PROVIDER, "provider", REQUESTER, digest32("parts")),
    )
    scene.revoke("bob", "class", b"conditions")
    scene.release(request)
    chain.commit()
    return scene


def roots() -> str:
    """Every header's hash, in order: they bind state, results and events."""
    return "\n".join(header.hash().hex() for header in tell().chain.headers)


if __name__ == "__main__":
    print(roots())
