"""Verify a chainnode release receipt: python verify_receipt.py genesis.cbor receipt.cbor

One file to be read from top to bottom and run anywhere: Python 3.11, pynacl, cbor2, msgpack, nothing else of
chainnode. It tells docs/adr/0002, 0004 and 0005 a second time. From the genesis file alone it follows who
votes and checks their votes on the block; then that every fact is in the state to which the block commits;
evaluates the decision again; and that behind each fact stands the signature of whoever had to give it.
Exit codes: 0 the receipt proves its decision, 8 it does not (the check is named), 2 usage or unreadable file.
"""

import os
import re
import sys
from collections import namedtuple
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import cbor2
import msgpack  # type: ignore[import-untyped]
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

MAX_GENESIS_BYTES, MAX_RECEIPT_BYTES, MAX_RECORD_BYTES, MAX_ITEMS = 4 << 20, 64 << 20, 4 << 20, 1_000_000
MAX_ROW_BYTES, MAX_DEPTH, MAX_MEMBERS, MAX_NUMBER = 16_384, 12, 31, 2**53
SHAPES = """
File(body signatures:map) Genesis(version:int suite:int network:str created_ms:int transport:str
parameters:map members:Founder* registrars:Listed* trustees:list trustee_threshold:int trustee_faults:int)
Founder(number:int id:str name:str validator_key transport_key sealing_key steward_key) Listed(id:str name:str
operator:str key) Receipt(type:str version:int chain request header certificate transactions:Pair*
records:Pair* nodes:bytes* buckets:bytes* pointers:Place* rows:Pair* epochs:bytes*) Pair(first second)
Place(batch_root index:int pointer siblings:bytes*) Header(version:int chain_id epoch:int height:int parent
time_ms:int batches_root results_root events_root state_root validators next_validators) Certificate(epoch:int
height:int header_hash votes:Vote*) Vote(replica:int signature) Step(header:Header certificate:Certificate
voters:Voter*) Voter(id:int key) Transaction(suite:int chain_id valid_until_height:int nonce signer
payload:list) Source(transaction_id height:int) Member(number:int id:str name:str validator_key steward_key)
Registrar(id:str name:str operator:str key) Department(head_key added:Source) ClassKey(data_class:str
epoch:int point) Enrolment(member:int patient_key class_keys:ClassKey* link_row registrar:str enrolled:Source
attested:Source proven:Source) Batch(member:int department:str study:str policy:UsePolicy count:int
report_digest anchored:Source time_ms:int) UsePolicy(permission:str modifiers:str* disease:str)
Pointer(object_id handle data_class:str level:int epoch:int root length_bytes:int commitment_hospital
commitment_patient commitment_dek locator) Request(member:int department:str project:str project_key
project_sealing_key purpose:Purpose objects:bytes* expires_ms:int text_row handles:bytes* providers:Provider*
applied:Source withdrawn:Source) Purpose(permission:str disease:str for_profit:bool modifiers:str*)
Provider(member:int department:str) Granted(decision:str objects:bytes* parts_digest signer granted:Source)
Consents(consents:Standing*) Standing(consent_id provision_row given:Source revoked:Source)
Revocations(everything:Source classes:ClassRevocation*) ClassRevocation(data_class:str revoked:Source)
RequestRevocation(revoked:Source) Release(request_id height:int time_ms:int evaluator_version:int outcome:str
rule:str verdicts:Verdict* providers:int* rests_on:Source* requested:Source last_authorised_height:int
last_providers:int*) Verdict(object_id rule:str basis:str) Document(status:str scope:str date_time_ms:int
provision:Provision) Document2(form:str status:str scope:str date_time_ms:int provision:Provision2)
Provision(type:str actors:int* purposes:str* classes:str* start_ms:int end_ms:int provisions:Provision*)
Provision2(type:str actors:int* purposes:str* classes:str* start_ms:int end_ms:int levels:int* codes:str*
data_start_ms:int data_end_ms:int provisions:Provision2*) Features(features:Feature*) Feature(name:str
from_height:int) Diseases(digest terms:Term* published:Source) Term(code:str parents:str*)
"""
"""Files (CBOR maps); blocks, state, transactions, rows (MessagePack arrays). No type: bytes; *: an array."""
FIELDS = {
    name: {field: kind or "bytes" for field, kind in re.findall(r"(\w+):?([\w*]*)", text)}
    for name, text in re.findall(r"(\w+)\(([^)]*)\)", SHAPES)
}
TYPES: dict[str, Any] = {name: namedtuple(name, fields) for name, fields in FIELDS.items()}
MAPS = ("File", "Genesis", "Founder", "Listed", "Receipt")
for absent in ("levels", ()), ("codes", ()), ("data_start_ms", 0), ("data_end_ms", 0):
    setattr(TYPES["Provision"], *absent)
NEVER = TYPES["Source"](b"", 0)
PLAIN = {"int": int, "str": str, "bytes": bytes, "bool": bool, "map": dict, "list": list}
WORDS = {"NRES": "any use", "GRU": "any research", "HMB": "health", "DS": "one disease", "POA": "ancestry"}
COVERS = {"NRES": (*WORDS,), "GRU": (*WORDS,)[1:], "HMB": ("HMB", "DS"), "DS": ("DS",), "POA": ("POA",)}
CLASSES = ["demographics", "encounters", "conditions", "observations"]
CLASSES += ["medications", "procedures", "immunizations", "allergies"]
LEVELS, NOT_PROFIT = range(1, 6), ("NPU", "NCU", "NPUNCU")
Who = tuple[bytes, int, str]  # who has a role: a patient's handle, a member's number, a department


class Refused(Exception):
    """Names the check that failed, and says what it met."""


def need(holds: object, check: str, detail: str) -> None:
    if not holds:
        raise Refused(f"{check}: {detail}")


def fit(kind: str, value: Any, depth: int = MAX_DEPTH) -> Any:
    """`value` as the named tuple `kind`: every field there, of its type, and no other."""
    need(depth > 0, "malformed", "it nests too deeply")
    if kind in PLAIN:
        need(type(value) is PLAIN[kind], "malformed", f"not {kind}")
        return value
    if kind in MAPS:
        whole = isinstance(value, dict) and value.keys() == FIELDS[kind].keys()
        value = [value[name] for name in FIELDS[kind]] if whole else None
    need(isinstance(value, list), "malformed", f"not {kind}")
    if kind.endswith("*"):
        return tuple([fit(kind[:-1], item, depth - 1) for item in value])
    need(len(value) == len(FIELDS[kind]), "malformed", f"not the fields of {kind}")
    return TYPES[kind](*[fit(*pair, depth - 1) for pair in zip(FIELDS[kind].values(), value, strict=True)])


def look_over(data: bytes) -> None:
    """By the heads of CBOR alone, before anything is made of them: not too many items, no tag, no indefinite
    length. An item may cost 64 bytes of memory and is spelled in one; 1,000 objects need 350,000 at most."""
    at = count = 0
    while at < len(data):
        major, size = data[at] >> 5, data[at] & 31
        count, width = count + 1, 1 << size - 24 if 23 < size < 28 else 0
        need(count <= MAX_ITEMS and major != 6 and size < 28, "malformed", "too many items, or a tag")
        size = int.from_bytes(data[at + 1 : at + 1 + width], "big") if width else size
        at += 1 + width + (size if major in (2, 3) else 0)


def decode(kind: str, data: bytes, limit_bytes: int = MAX_RECORD_BYTES) -> Any:
    """A map in deterministic CBOR (RFC 8949 section 4.2.1), all else MessagePack in its one shortest form."""
    need(len(data) <= limit_bytes, "malformed", f"{kind} of more than {limit_bytes} bytes")
    try:
        if kind in MAPS:
            look_over(data)
        value = cbor2.loads(data, max_depth=MAX_DEPTH) if kind in MAPS else msgpack.unpackb(data)
        again = cbor2.dumps(value, canonical=True) if kind in MAPS else msgpack.packb(value)
        need(again == data, "malformed", f"{kind} in another spelling than the one allowed")
    except (ValueError, TypeError, cbor2.CBORError, msgpack.UnpackException) as error:
        raise Refused(f"malformed: {kind}: {str(error)!a}") from None
    if kind == "Receipt" and isinstance(value, dict) and value.get("version") == 1:
        value["epochs"] = None if "epochs" in value else []  # they stand in version 2 alone
    return fit(kind, value)


def digest(tag: str, *parts: bytes) -> bytes:
    text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return sha256(b"chainnode\x01" + bytes([len(tag)]) + tag.encode() + text).digest()


def signed(key: bytes, kind: str, chain: bytes, body: bytes, signature: bytes) -> bool:
    """Ed25519 by libsodium's rule over prefix, suite, kind, chain and body."""
    if len(key) != 32 or len(signature) != 64 or not crypto_core_ed25519_is_valid_point(key):
        return False
    text = b"chainnode\x01sign" + bytes([len(kind)]) + kind.encode() + chain + body
    try:
        return bool(VerifyKey(key).verify(text, signature))
    except BadSignatureError:
        return False


def read_genesis(data: bytes) -> tuple[Any, bytes]:
    """The founding document, signed by all its members, and the chain's id. What matters only for running the
    network (parameters, trustees, the spelling of names) is not looked at."""
    file = decode("File", data)
    genesis, chain, members = decode("Genesis", file.body), digest("genesis", file.body), []
    need((genesis.version, genesis.suite) == (1, 1), "bad-genesis", "its version or suite is not known here")
    for number, one in enumerate(genesis.members):
        said = file.signatures.get(one.id, b"")
        good = type(said) is bytes and signed(one.validator_key, "genesis", chain, file.body, said)
        need(good and one.number == number, "bad-genesis", f"the signature or the number of member {number}")
        members.append(one.validator_key)
    counts = {len(members), len(set(members)), len(file.signatures), len({one.id for one in genesis.members})}
    need(len(counts) == 1 and 0 < len(members) <= MAX_MEMBERS, "bad-genesis", "not each member once")
    return genesis, chain


def check_certificate(certificate: Any, header: Any, voters: Any) -> None:
    """A quorum, ceil((n + f + 1) / 2), of the epoch's voters signed this header."""
    quorum = (len(voters) + (len(voters) - 1) // 3 + 2) // 2
    block = (header.epoch, header.height, digest("header", msgpack.packb(header)))
    replicas, keys = [vote.replica for vote in certificate.votes], dict(voters)
    need(certificate[:3] == block, "bad-certificate", "it is of another header")
    enough = replicas == sorted(set(replicas)) and len(replicas) >= quorum
    need(enough, "bad-certificate", f"{len(replicas)} votes, or out of order; a quorum is {quorum}")
    for replica, signature in certificate.votes:
        body = msgpack.packb((*block, replica))
        good = signed(keys.get(replica, b""), "block-vote", header.chain_id, body, signature)
        need(good, "bad-certificate", f"the vote of replica {replica}")


def check_block(receipt: Any, genesis: Any, chain: bytes) -> tuple[Any, str]:
    """The header, and who voted: from the founding members on, over each change of the voters."""
    voters: Any = tuple((one.number, one.validator_key) for one in genesis.members)
    need(receipt.type == "chainnode-release-receipt", "malformed", "it is no receipt")
    need(receipt.version == 1 or (receipt.version == 2 and receipt.epochs), "malformed", "its version")
    header = decode("Header", receipt.header, 1_024)
    certificate = decode("Certificate", receipt.certificate, 65_536)
    need(header.chain_id == receipt.chain == chain, "wrong-chain", "the genesis file is of another one")
    steps = [decode("Step", one, 16_384) for one in receipt.epochs]
    steps.append(TYPES["Step"](header, certificate, None))
    least = 1
    for epoch, (last, votes, following) in enumerate(steps):
        known = (last.version, last.chain_id, last.epoch) == (1, chain, epoch) and last.height >= least
        present, after = (msgpack.packb((epoch + more, following if more else voters)) for more in (0, 1))
        known = known and last.validators == digest("replica-set", present)
        check = "bad-epochs" if following else "unknown-validators"
        need(known, check, f"the block at {last.height} is not of epoch {epoch} and its voters")
        check_certificate(votes, last, voters)
        if following is not None:
            voters, least = following, last.height + 1
            ids, keys = [one.id for one in voters], {one.key for one in voters if len(one.key) == 32}
            sound = ids == sorted(set(ids)) and 0 < len(ids) == len(keys) <= MAX_MEMBERS and ids[0] >= 0
            sound = sound and last.next_validators == digest("replica-set", after)
            need(sound, "bad-epochs", f"the voters of epoch {epoch + 1}")
    return header, f"{len(certificate.votes)} of {len(voters)} validators"


def provisions(one: Any, depth: int = 1) -> int:
    """How many there are, each of the allowed form."""
    plain = [word for word in one.purposes if len(one) < 8 or not 3 < len(word) < 68 or word[:3] != "DS:"]
    known: Any = ((one.actors, range(65_537)), (plain, COVERS), (one.classes, CLASSES), (one.levels, LEVELS))
    lists = (one.actors, one.purposes, one.classes, one.levels, one.codes)
    good = all(value in words for values, words in known for value in values)
    need(good and all(0 < len(code) <= 128 for code in one.codes), "bad-row", "an unknown word")
    need(all(len(set(some)) == len(some) <= 64 for some in lists), "bad-row", "twice the same, or too much")
    need(depth <= 4 and one.type in ("permit", "deny"), "bad-row", "too deep, or neither permit nor deny")
    for start, end in ((one.start_ms, one.end_ms), (one.data_start_ms, one.data_end_ms)):
        need(0 <= start <= (end or MAX_NUMBER) <= MAX_NUMBER and end >= 0, "bad-row", "its period")
    need(all(child.type != one.type for child in one.provisions), "bad-row", "an exception that is none")
    return 1 + sum(provisions(child, depth + 1) for child in one.provisions)


class Evidence:
    """The receipt's contents: only what is proven is handed out, and each use is noted in its order."""

    def __init__(self, receipt: Any, header: Any) -> None:
        self.header, self.chain, self.id = header, header.chain_id, receipt.request
        self.held: dict[str, dict[bytes, Any]] = {
            "records": dict(receipt.records),
            "nodes": {digest("state-node", one): one for one in receipt.nodes},
            "buckets": {digest("state-bucket", one): one for one in receipt.buckets},
            "pointers": {decode("Pointer", one.pointer).object_id: one for one in receipt.pointers},
            "transactions": {digest("transaction", one.first): one for one in receipt.transactions},
            "rows": {digest("row", *one): one for one in receipt.rows},
        }
        self.used: dict[str, dict[bytes, None]] = {section: {} for section in self.held}
        self.read: dict[tuple[str, bytes], Any] = {}
        self.claims: dict[Any, list[Any]] = {}

    def take(self, section: str, name: bytes) -> Any:
        found = self.held[section].get(name)
        if found is not None:
            self.used[section][name] = None
        return found

    def proven(self, key: bytes) -> bytes | None:
        """The hash of the value at `key` under the state root; None where it is proven that there is none."""
        hashed, wanted = digest("state-key", key), self.header.state_root
        for nibble in (int(one, 16) for one in hashed.hex()):
            node = self.take("nodes", wanted)
            if node is None:
                break
            mask = int.from_bytes(node[:2], "big")
            need(mask > 0 and len(node) == 2 + 32 * mask.bit_count(), "bad-proof", "not a node")
            if not mask >> nibble & 1:
                return None
            start = 2 + 32 * (mask & (1 << nibble) - 1).bit_count()
            wanted = node[start : start + 32]
        bucket = self.take("buckets", wanted) or b""
        names = [bucket[at : at + 32] for at in range(0, len(bucket), 64)]
        sound = bucket and len(bucket) % 64 == 0 and names == sorted(set(names))
        need(sound, "bad-proof", "a step is missing or none")
        at = names.index(hashed) * 64 + 32 if hashed in names else 0
        return bucket[at : at + 32] if at else None

    def state(self, kind: str, key: bytes, absent: Any = None) -> Any:
        """The record at `key`, `absent` where it is proven that there is none."""
        if (kind, key) not in self.read:
            hashed, value = self.proven(key), self.take("records", key)
            need(value is not None or hashed is None, "missing-fact", f"the state's {kind} is left out")
            same = value is None or hashed == digest("state-value", value)
            need(same, "bad-proof", f"the {kind} is not what the state root commits to")
            self.read[kind, key] = None if value is None else decode(kind, value)
        return absent if self.read[kind, key] is None else self.read[kind, key]

    def fact(self, kind: str, key: bytes) -> Any:
        need(self.state(kind, key), "missing-fact", f"the state holds no such {kind}")
        return self.read[kind, key]

    def object(self, object_id: bytes) -> tuple[Any, Any]:
        """Pointer and batch: the pointer is a leaf of the Merkle tree (RFC 9162's shape) over its batch."""
        place = self.take("pointers", object_id)
        need(place, "missing-fact", "an object's pointer is left out")
        batch = self.fact("Batch", b"batch/" + place.batch_root)
        at, width, rest = place.index, batch.count, list(place.siblings)
        need(0 <= at < width < 1 << 32, "bad-pointer", "it has no place in its batch")
        node = digest("pointer/leaf", at.to_bytes(4, "big"), place.pointer)
        while width > 1:
            if at ^ 1 < width:
                pair = (rest.pop(0) if rest else b"", node)
                node = digest("pointer/node", *(pair if at & 1 else pair[::-1]))
            at, width = at >> 1, width + 1 >> 1
        root = digest("pointer/root", batch.count.to_bytes(4, "big"), node)
        need(not rest and root == place.batch_root, "bad-pointer", "it is not in its batch")
        return decode("Pointer", place.pointer), batch

    def transaction(self, id_: bytes) -> Any:
        if ("Transaction", id_) not in self.read:
            found = self.take("transactions", id_)
            need(found, "missing-fact", "a transaction that the decision rests on is left out")
            body = self.read["Transaction", id_] = decode("Transaction", found.first, 245_760)
            good = signed(body.signer, "transaction", self.chain, found.first, found.second)
            need(good and body[:2] == (1, self.chain), "bad-transaction", "its signature, suite or chain")
        return self.read["Transaction", id_]

    def said(self, source: Any, signer: bytes, *payloads: Any) -> None:
        """Whether `signer` signed one of `payloads`, to the byte."""
        body, what = self.transaction(source.transaction_id), payloads[0][0]
        same = msgpack.packb(body.payload) in [msgpack.packb(one) for one in payloads]
        need(same, "bad-transaction", f"{what}: the transaction says something else than the state")
        need(body.signer == signer, "bad-transaction", f"{what}: somebody else signed it")

    def key(self, role: str, who: Who) -> bytes:
        """The key of a role, which it got from those who may give it."""
        handle, number, slug = who
        if role == "project":
            return bytes(self.request.project_key)
        if role == "patient":
            record = self.fact("Enrolment", b"patient/" + handle)
            number = record.member
        elif role == "head":
            record = self.fact("Department", b"department/%d/%b" % (number, slug.encode()))
        member = self.fact("Member", b"member/%d" % number)
        if role == "steward":
            return bytes(member.steward_key)
        if role == "head":
            self.said(record.added, member.steward_key, ("add-department", number, slug, record.head_key))
            return bytes(record.head_key)
        self.said(record.enrolled, member.steward_key, ("enrol-patient", number, handle, *record[1:4]))
        registrar = self.fact("Registrar", b"registrar/" + record.registrar.encode())
        need(registrar.operator != member.id, "bad-transaction", "the hospital's own registrar attested")
        self.said(record.attested, registrar.key, ("attest-enrolment", handle))
        self.said(record.proven, record.patient_key, ("prove-enrolment", handle))
        return bytes(record.patient_key)

    def claim(self, source: Any, role: str, who: Who, *payloads: Any, signer: bytes | None = None) -> None:
        """The decision rests on this: in `source` the role must have said one of `payloads`."""
        if source.height or signer is not None:
            self.claims.setdefault(source, []).append((role, who, signer, payloads))

    def grant(self, role: str, who: Who, object_id: bytes) -> Any:
        """What a role decided, as far as it covers the object."""
        handle, number, slug = who
        name = handle if role == "patient" else b"%d" % number
        name += b"/" + slug.encode() if role == "head" else b""
        held = self.state("Granted", b"grant/%b/%b/%b" % (self.id, role.encode(), name))
        if held:
            self.claim(held.granted, role, who, ("grant", self.id, role, *who, *held[:3]), signer=held.signer)
        return held if held and (not held.objects or object_id in held.objects) else None

    def patient(self, pointer: Any, vouched: int) -> tuple[str, str]:
        """Rule and basis: heights order what was said, at equal height the no wins."""
        handle, who = pointer.handle, (pointer.handle, 0, "")
        grant = self.grant("patient", who, pointer.object_id)
        consents = self.state("Consents", b"consent/" + handle, ((),))[0]
        everything, classes = self.state("Revocations", b"revocation/" + handle, (NEVER, ()))
        (special,) = self.state("RequestRevocation", b"revocation/%b/%b" % (handle, self.id), (NEVER,))
        for one in consents:
            self.claim(one.given, "patient", who, ("consent", handle, one.consent_id, one.provision_row))
            ended = ("revoke", handle, "consent", one.consent_id)
            self.claim(one.revoked, "patient", who, ended, ("revoke", handle, "all", b""))
        self.claim(everything, "patient", who, *((tag, handle, "all", b"") for tag in ("revoke", "erase")))
        for one in classes:
            self.claim(one.revoked, "patient", who, ("revoke", handle, "class", one.data_class.encode()))
        self.claim(special, "patient", who, ("revoke", handle, "request", self.id))
        ours = [one.revoked.height for one in classes if one.data_class == pointer.data_class]
        last = max(everything.height, special.height, *ours)
        given = grant.granted.height if grant and grant.decision == "permit" else 0
        live, standing, revoked, denied = given > last, False, last > 0, 0
        for one in consents:
            answer = self.consent(one.provision_row, pointer, one.given.height < vouched)
            if one.revoked.height > 0:
                revoked = revoked or answer == "permit"
            elif answer == "deny":
                denied = max(denied, one.given.height)
            elif answer == "permit":
                standing = standing or one.given.height > last
        if revoked and not live and not standing:
            return "revoked", ""
        if (grant and grant.decision == "deny") or (denied and not (live and given > denied)):
            return "patient-denied", ""
        return ("", "live") if live else ("", "standing") if standing else ("patient-not-signed", "")

    def consent(self, row_digest: bytes, pointer: Any, vouched: bool) -> str | None:
        """What a standing consent says: nothing where its row was erased or is none, or not of research."""
        data = (self.take("rows", row_digest) or (b"", b""))[1]
        try:
            said = decode("Document2" if data[:1] == b"\x95" else "Document", data, MAX_ROW_BYTES)
            need(len(said) == 4 or (self.version > 1 and said.form == "consent-2"), "bad-row", "its form")
            need(said[-4:-2] == ("active", "research"), "bad-row", "not in force, or not of research")
            need(0 <= said.date_time_ms <= MAX_NUMBER, "bad-row", "its time")
            need(provisions(said.provision) <= 32, "bad-row", "too many provisions")
        except Refused:
            return None
        return self.answer(said.provision, pointer, vouched)

    def below(self, code: str, above: str) -> bool:
        """Whether a disease is another, or lies below it in the tree."""
        line = [code]
        for one in line:
            line += [parent for parent in self.tree.get(one, ()) if parent not in line]
        return above in line

    def concerns(self, one: Any, word: str) -> bool:
        """Whether its word covers the purpose, or, of a no, whether the purpose would include the word."""
        use, (permission, _, ill) = self.request.purpose, word.partition(":")
        if ill and use.permission == "DS":
            return self.below(use.disease, ill) or (one.type == "deny" and self.below(ill, use.disease))
        covered = not ill and use.permission in COVERS[permission]
        return covered or (one.type == "deny" and permission in COVERS.get(use.permission, ()))

    def answer(self, one: Any, pointer: Any, vouched: bool) -> str | None:
        """FHIR R4 Consent.provision: children are exceptions to their parent, of several a deny wins. Codes
        and dates are not seen: what they decide is a no, or a yes where the provider vouched."""
        concerned = not one.purposes or any(self.concerns(one, word) for word in one.purposes)
        member, now = self.request.member, self.header.time_ms
        asked = ((one.actors, member), (one.classes, pointer.data_class), (one.levels, pointer.level))
        concerned = concerned and all(not words or word in words for words, word in asked)
        if not concerned or now < one.start_ms or 0 < one.end_ms < now:
            return None
        answers = [self.answer(child, pointer, vouched) for child in one.provisions]
        found = "deny" if "deny" in answers else "permit" if "permit" in answers else str(one.type)
        hidden = one.codes or one.data_start_ms or one.data_end_ms
        return None if hidden and found != ("permit" if vouched else "deny") else found

    def verdict(self, object_id: bytes) -> tuple[Any, str, str]:
        """Batch, rule ("" for authorised) and basis; the first rule that holds decides."""
        pointer, batch = self.object(object_id)
        request, policy, use = self.request, batch.policy, self.request.purpose
        late = "application-expired" if self.header.time_ms >= request.expires_ms else ""
        if late or request.withdrawn.height > 0:
            return batch, "request-withdrawn" if request.withdrawn.height > 0 else late, ""
        permitted = use.permission in COVERS.get(policy.permission, ())
        permitted = permitted and (policy.permission != "DS" or self.below(use.disease, policy.disease))
        met = {*use.modifiers}.difference(NOT_PROFIT).union(() if use.for_profit else NOT_PROFIT)
        met = met - {"NPOA"} if use.permission == "POA" else met
        met = met | {"NPOA"} if use.permission in ("HMB", "DS") else met
        if not permitted or not met.issuperset(policy.modifiers):
            return batch, "purpose-not-permitted", ""
        rule, basis = self.patient(pointer, 0)
        if rule and not self.patient(pointer, MAX_NUMBER)[0]:  # codes or dates decide: did the head vouch?
            head = self.grant("head", (b"", batch.member, batch.department), object_id)
            vouched = head.granted.height if head and head.objects and head.decision == "permit" else 0
            rule, basis = self.patient(pointer, vouched)
            rule = "content-not-decided" if rule else ""
        for role, slug in (("steward", ""), ("head", batch.department)):
            if not rule:
                grant = self.grant(role, (b"", batch.member, slug), object_id)
                rule = f"{role}-not-signed" if grant is None else ""
                rule = f"{role}-denied" if grant and grant.decision != "permit" else rule
        return batch, rule, "" if rule else basis

    def examine(self) -> Any:
        """Evaluate the decision again, and check what was signed for it."""
        release = self.fact("Release", b"release/" + self.id)
        request = self.request = self.fact("Request", b"request/" + self.id)
        applicant, height = (b"", request.member, request.department), self.header.height
        self.version, self.tree = release.evaluator_version, {}
        agreed = self.fact("Features", b"features").features if self.version == 2 else ()
        known = self.version == 1 or any(one[0] == "consent-2" and one[1] <= height for one in agreed)
        need(known, "verdict-differs", "its evaluator's version is not known, or not in force")
        if agreed and request.purpose.permission == "DS":
            self.tree = dict(self.state("Diseases", b"diseases/tree", (b"", ()))[1])
        self.claims[request.applied] = []
        self.claim(request.withdrawn, "project", (b"", 0, ""), ("withdraw", self.id, "project", 0, ""))
        verdicts = [self.verdict(one) for one in request.objects]
        need(verdicts, "bad-transaction", "an application for nothing")
        providers = tuple(sorted({batch.member for batch, rule, _ in verdicts if not rule}))
        said = tuple((one, *found[1:]) for one, found in zip(request.objects, verdicts, strict=True))
        outcome = ("AUTHORISED", "") if providers else ("REFUSED", verdicts[0][1])
        last = (height, providers) if providers else (release.last_authorised_height, release.last_providers)
        head, rests_on = (self.id, height, self.header.time_ms, self.version), tuple(self.claims)
        again = (*head, *outcome, said, providers, rests_on, (release.requested[0], height), *last)
        need(again == release, "verdict-differs", f"evaluated again: {' '.join(outcome)}")
        self.said(release.requested, request.project_key, ("request-release", self.id))
        for source, claims in self.claims.items():
            possession = self.transaction(source.transaction_id).payload[-1:]
            if source == request.applied:
                self.said(source, self.key("head", applicant), ("apply", self.id, *request[:9], *possession))
                proof = msgpack.packb((self.id, request.project_sealing_key, request.purpose))
                good = type(possession[0]) is bytes
                good = good and signed(request.project_key, "possession", self.chain, proof, *possession)
                need(good, "bad-transaction", "the project's key did not prove possession")
            for role, who, signer, payloads in claims:
                key = self.key(role, who)
                need(signer in (None, key), "bad-transaction", "the state names another signer")
                self.said(source, key, *payloads)
        return release

    def finish(self, receipt: Any, genesis: Any) -> None:
        """Members and registrars are genesis' own, and the receipt holds nothing else than was used."""
        founders = {b"member/%d" % one.number: one for one in genesis.members}
        registrars = {b"registrar/" + one.id.encode(): one for one in genesis.registrars}
        for (kind, key), held in self.read.items():
            if kind == "Registrar":
                need(held == registrars.get(key), "bad-proof", "a registrar is not genesis' own")
            if kind == "Member" and key in founders:
                one = founders[key]
                own = (one.number, one.id, one.name, held.validator_key, one.steward_key)
                need(held == own, "bad-proof", "a member is not genesis' own")
        for section, found in self.held.items():
            same = list(found) == list(self.used[section]) and len(found) == len(getattr(receipt, section))
            need(same, "receipt-not-minimal", f"{section}: something not needed, twice, or out of order")


def prove(genesis: Any, chain: bytes, data: bytes) -> list[str]:
    """What the receipt proves, in lines. Raises Refused."""
    receipt = decode("Receipt", data, MAX_RECEIPT_BYTES)
    header, voted = check_block(receipt, genesis, chain)
    evidence = Evidence(receipt, header)
    release = evidence.examine()
    evidence.finish(receipt, genesis)
    request, use = evidence.request, evidence.request.purpose
    who = evidence.fact("Member", b"member/%d" % request.member).name
    when = f"{header.time_ms} ms after 1970"
    if 0 <= header.time_ms < 253_402_300_800_000:
        when = datetime.fromtimestamp(header.time_ms / 1_000, UTC).isoformat(timespec="milliseconds")
    words = (use.permission, WORDS.get(use.permission), use.disease, *use.modifiers)
    purpose, outcome = ", ".join(filter(None, words)), f"{release.outcome} {release.rule}".strip()
    good = sum(not one.rule for one in release.verdicts)
    objects = [f"object    {one[0].hex()}: {one[1] or 'authorised, ' + one[2]}" for one in release.verdicts]
    return [
        f"network   {genesis.network!a}, chain {chain.hex()[:16]}, by {len(genesis.members)} members",
        f"request   {evidence.id.hex()}: project {request.project!a}, {request.department!a} of {who!a}",
        f"purpose   {purpose!a}, {'for profit' if use.for_profit else 'not for profit'}",
        f"decision  {outcome}: {good} of {len(release.verdicts)} objects are free",
        f"block     height {header.height}, {when}, epoch {header.epoch}, by {voted}",
        *objects,
        f"VERIFIED  {len(receipt.records)} facts of the state, {len(receipt.transactions)} transactions",
    ]


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write("usage: python verify_receipt.py genesis.cbor receipt.cbor\n")
        return 2
    try:
        with Path(arguments[0]).open("rb") as one, Path(arguments[1]).open("rb") as two:
            lines = prove(*read_genesis(one.read(MAX_GENESIS_BYTES + 1)), two.read(MAX_RECEIPT_BYTES + 1))
    except OSError as error:
        sys.stderr.write(f"cannot be read: {error}\n")
        return 2
    except Refused as refused:
        sys.stderr.write(f"DOES NOT VERIFY  {refused}\n")
        return 8
    try:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    except OSError:  # whoever reads it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
