"""A GA4GH visa for a project whose release was authorised: ControlledAccessGrants of GA4GH Passport 1.2.

A JWT (RFC 7519), signed by the providing hospital's validator key as EdDSA (RFC 8037) and checked offline:
the key set is that of the founding document, so there is no `jku` to fetch keys from. Issuer and dataset are
named by URNs, since a chain has no address on the web. It says that access was granted, and opens nothing.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable

import msgspec
from msgspec import Struct

from chainnode.cli.actions import duo
from chainnode.cli.actions.base import member_slug
from chainnode.cli.actions.requests import RequestView
from chainnode.cli.errors import bad_input
from chainnode.cli.next_steps import command
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.founding import Founding
from chainnode.ledger.records import OUTCOME_AUTHORISED, ReleaseRecord
from chainnode.node.api import ChainInfo
from chainnode.vault.keys import SigningKey

MAX_VISA_BYTES = 16_384
ALGORITHM, TYPE = "EdDSA", "vnd.ga4gh.visa+jwt"
GRANT_TYPE, BY = "ControlledAccessGrants", "dac"
Verify = Callable[[bytes, bytes, bytes], bool]


class _Header(Struct, frozen=True, forbid_unknown_fields=True):
    alg: str
    typ: str
    kid: str


class VisaObject(Struct, frozen=True, forbid_unknown_fields=True):
    """`ga4gh_visa_v1`. `asserted`: seconds of Unix time at which the release was authorised."""

    type: str
    asserted: int
    value: str
    source: str
    by: str


class OnChain(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the decision stands: a claim of our own. `duo`: the purpose, as ids of the Data Use Ontology."""

    chain_id: str
    request: str
    height: int
    objects: int
    duo: tuple[str, ...]


class Visa(Struct, frozen=True, forbid_unknown_fields=True):
    """The claims. `iat`, `exp`: seconds; `sub`: the project, by its key."""

    iss: str
    sub: str
    iat: int
    exp: int
    jti: str
    ga4gh_visa_v1: VisaObject
    chainnode_v1: OnChain


def _urn(chain_id: str, *words: object) -> str:
    return ":".join(["urn:chainnode", chain_id, *map(str, words)])


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Raises ValueError: not base64url, or not spelled in the one shortest way."""
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encoded(data) != text:
        raise ValueError("it is not spelled in base64url")
    return data


def visa_claims(view: RequestView, info: ChainInfo, now_ms: int) -> Visa:
    """What the hospital of `info` says of an application's release. Raises OperatorError CLI-02 where there
    is nothing to say: not authorised, taken back or expired since, or nothing of this hospital's."""
    release = view.release
    if view.state != OUTCOME_AUTHORISED or release is None:
        raise _nothing(f"the application is {view.state}")
    if view.since.objects or view.since.hospital or now_ms >= view.record.expires_ms:
        raise _nothing(f"it is {view.story}")
    if info.member not in release.providers:
        raise _nothing(f"nothing of {member_slug(info, info.member)}'s is in the release")
    chain, request = info.chain_id.hex(), view.request_id.hex()
    return Visa(
        iss=_urn(chain, "member", member_slug(info, info.member)),
        sub=_urn(chain, "project", view.record.project_key.hex()),
        iat=now_ms // 1_000,
        exp=view.record.expires_ms // 1_000,
        jti=_urn(chain, "visa", request, release.height, info.member),
        ga4gh_visa_v1=VisaObject(
            GRANT_TYPE,
            release.time_ms // 1_000,
            _urn(chain, "release", request, release.height),
            _urn(chain, "member", member_slug(info, info.member)),
            BY,
        ),
        chainnode_v1=OnChain(
            chain, request, release.height, _authorised(release), duo.codes(view.record.purpose)
        ),
    )


def _authorised(release: ReleaseRecord) -> int:
    return sum(not verdict.rule for verdict in release.verdicts)


def _nothing(why: str) -> Exception:
    return bad_input(
        f"there is no visa to issue: {why}", command("request", "list", remark="shows how far each has come")
    )


def sign_visa(claims: Visa, key: SigningKey) -> bytes:
    """The JWT in compact form, one line."""
    header = _Header(ALGORITHM, TYPE, key.public.hex())
    signed = f"{_encoded(msgspec.json.encode(header))}.{_encoded(msgspec.json.encode(claims))}"
    return f"{signed}.{_encoded(key.sign(signed.encode()))}\n".encode()


def looks_like_visa(data: bytes) -> bool:
    """Whether the bytes are three words of base64url, as a JWT's are; `{"` begins with `ey`."""
    return data.startswith(b"ey") and data.count(b".") == 2


def verify_visa(data: bytes, founding: Founding, now_ms: int, *, verify: Verify) -> Visa:
    """The claims, if a founding member signed them for this chain and they have not expired.

    Raises VerificationError.
    """
    if len(data) > MAX_VISA_BYTES:
        raise VerificationError("bad-statement", f"a visa has at most {MAX_VISA_BYTES} bytes")
    try:
        words = data.decode("ascii").removesuffix("\n").split(".")
        header = msgspec.json.decode(_decoded(words[0]), type=_Header)
        visa = msgspec.json.decode(_decoded(words[1]), type=Visa)
        signature = _decoded(words[2])
    except (ValueError, Base64Error, IndexError, RecursionError) as error:
        raise VerificationError("bad-statement", f"it is no visa of ours: {error}") from None
    chain = founding.chain_id.hex()
    issuers = {_urn(chain, "member", one.id): one.validator_key for one in founding.members}
    key = issuers.get(visa.iss)
    if visa.chainnode_v1.chain_id != chain:
        raise VerificationError("wrong-chain", "the visa is of another chain")
    if key is None or header != _Header(ALGORITHM, TYPE, key.hex()):
        raise VerificationError("bad-statement", "its issuer and key are no founding member's")
    if not verify(key, ".".join(words[:2]).encode(), signature):
        raise VerificationError("bad-statement", "its signature does not hold")
    _require_consistent(visa, chain)
    if not visa.ga4gh_visa_v1.asserted * 1_000 <= now_ms < visa.exp * 1_000:
        raise VerificationError("bad-statement", "it has expired, or is of the future")
    return visa


def _require_consistent(visa: Visa, chain: str) -> None:
    """Raises VerificationError: a member may sign nonsense."""
    said, ours = visa.ga4gh_visa_v1, visa.chainnode_v1
    wanted = VisaObject(
        GRANT_TYPE, said.asserted, _urn(chain, "release", ours.request, ours.height), visa.iss, BY
    )
    if said != wanted:
        raise VerificationError("bad-statement", "its two halves speak of different releases")
