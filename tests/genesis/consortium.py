"""A small consortium with keys that follow from their owners' names."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from nacl.signing import SigningKey

from consensus.domain import digest
from genesis.ceremony import build, sign_file
from genesis.request import JoinRequest, Keys, MemberKeys, RegistrarKeys, TrusteeKeys, make_request

NETWORK = "pool-of-trust"
HOSPITALS = ("aachen", "bergen", "cork", "delft")
CREATED_MS = 1_767_225_600_000


def signing_key(owner: str) -> SigningKey:
    return SigningKey(digest("test-key", owner.encode()))


def public(owner: str) -> bytes:
    return bytes(signing_key(owner).verify_key)


def sealing(owner: str) -> bytes:
    seed = digest("test-seal", owner.encode())
    return (
        MLKEM768PrivateKey.from_seed_bytes(seed + seed).public_key().public_bytes_raw()
        + X25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    )


def signer(owner: str) -> Callable[[bytes], bytes]:
    return lambda signed: signing_key(owner).sign(signed).signature


def hospital_keys(slug: str) -> MemberKeys:
    return MemberKeys(public(slug), public(slug + "/link"), sealing(slug), public(slug + "/steward"))


def request_for(slug: str, keys: Keys, name: str = "") -> JoinRequest:
    return make_request(NETWORK, slug, name or f"House of {slug}", keys, signer(slug))


def consortium(members: int = 4) -> list[JoinRequest]:
    """Hospitals, one registrar and three trustees outside of them."""
    requests = [request_for(slug, hospital_keys(slug)) for slug in HOSPITALS[:members]]
    requests.append(request_for("health-fund", RegistrarKeys(public("health-fund"), "health-fund")))
    for slug in ("patients-union", "state-university", "red-cross"):
        requests.append(request_for(slug, TrusteeKeys(public(slug), sealing(slug), slug)))
    return requests


def unsigned_file(requests: list[JoinRequest]) -> bytes:
    return build(requests, network=NETWORK, created_ms=CREATED_MS, trustee_threshold=2, trustee_faults=1)


def signed_file(unsigned: bytes, members: int = 4) -> bytes:
    for slug in HOSPITALS[:members]:
        unsigned = sign_file(unsigned, slug, signer(slug), "genesis.cbor")
    return unsigned
