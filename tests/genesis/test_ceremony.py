"""From join requests to a document that everybody signed."""

import pytest

from consensus.domain import digest
from genesis.ceremony import build, combine, put, sign, sign_file, summary
from genesis.document import load_genesis, parse_file, parse_genesis
from genesis.errors import OperatorError
from genesis.files import write_file
from genesis.request import parse_request, render_request
from tests.genesis.consortium import CREATED_MS, HOSPITALS, NETWORK, public, signer


def test_a_document_that_everybody_signed_loads_with_members_numbered_by_id(tmp_path, signed):
    path = tmp_path / "genesis.cbor"
    path.write_bytes(signed)
    genesis = load_genesis(path)
    assert [member.id for member in genesis.members] == list(HOSPITALS)
    assert genesis.chain_id == digest("genesis", parse_file(signed).body)
    replicas = genesis.replica_set()
    assert (replicas.epoch, replicas.n, replicas.f, replicas.quorum) == (0, 4, 1, 3)
    assert replicas.key(2) == public("cork") == genesis.member_by_id("cork").validator_key
    assert genesis.member_by_transport_key(public("delft/link")).number == 3
    assert genesis.member_by_transport_key(public("delft")) is None
    assert genesis.member(4) is None and genesis.member(-1) is None


def test_the_order_of_requests_does_not_change_the_document(requests, unsigned):
    again = build(
        requests[::-1], network=NETWORK, created_ms=CREATED_MS, trustee_threshold=2, trustee_faults=1
    )
    assert again == unsigned


def test_loading_refuses_a_document_that_one_member_has_not_signed_and_names_it(unsigned):
    data = unsigned
    for slug in HOSPITALS[:3]:
        data = sign_file(data, slug, signer(slug), "genesis.cbor")
    with pytest.raises(OperatorError, match=r"GEN-03.*lacks the signature of delft$"):
        parse_genesis(data)
    assert parse_genesis(data, require_signatures=False).network == NETWORK


def test_a_missing_file_is_the_operators_error(tmp_path):
    with pytest.raises(OperatorError, match="GEN-01"):
        load_genesis(tmp_path / "none.cbor")


def test_signing_adds_to_the_file_and_signing_twice_changes_nothing(tmp_path, unsigned):
    path = tmp_path / "genesis.cbor"
    path.write_bytes(unsigned)
    assert sign(path, "bergen", signer("bergen")).missing() == ["aachen", "cork", "delft"]
    once = path.read_bytes()
    sign(path, "bergen", signer("bergen"))
    assert path.read_bytes() == once
    assert [entry.name for entry in tmp_path.iterdir()] == ["genesis.cbor"]


def test_signing_with_another_members_key_leaves_the_file_as_it_was(tmp_path, unsigned):
    path = tmp_path / "genesis.cbor"
    path.write_bytes(unsigned)
    with pytest.raises(OperatorError, match="GEN-09"):
        sign(path, "bergen", signer("cork"))
    with pytest.raises(OperatorError, match="GEN-09"):
        sign(path, "eindhoven", signer("eindhoven"))
    assert path.read_bytes() == unsigned


def test_a_file_that_cannot_be_written_is_the_operators_error(tmp_path, unsigned):
    (tmp_path / "file").write_text("no folder")
    for path in (tmp_path / "none" / "genesis.cbor", tmp_path / "file" / "genesis.cbor"):
        with pytest.raises(OperatorError, match="GEN-13"):
            write_file(path, unsigned)


def test_signatures_from_two_copies_are_combined(unsigned, signed):
    first = sign_file(sign_file(unsigned, "aachen", signer("aachen"), "a"), "bergen", signer("bergen"), "a")
    second = sign_file(sign_file(unsigned, "cork", signer("cork"), "b"), "delft", signer("delft"), "b")
    assert combine([first, second]) == signed


def test_copies_of_different_documents_are_not_combined(requests, unsigned):
    other = build(requests, network=NETWORK, created_ms=CREATED_MS + 1, trustee_threshold=2, trustee_faults=1)
    with pytest.raises(OperatorError, match="GEN-10"):
        combine([unsigned, other])


def test_the_summary_shows_the_words_that_were_read_out_for_every_request(requests, unsigned):
    text = "\n".join(summary(parse_file(unsigned).genesis))
    for request in requests:
        assert f"{request.id} ({request.name})" in text
        assert " ".join(request.words) in text


def test_how_members_link_stands_in_the_document_and_is_libp2p_where_nothing_else_is_said(requests, unsigned):
    assert parse_file(unsigned).genesis.transport == "libp2p"
    settings = {"network": NETWORK, "created_ms": CREATED_MS, "trustee_threshold": 2, "trustee_faults": 1}
    assert build(requests, **settings, transport="libp2p") == unsigned
    chosen = parse_file(build(requests, **settings, transport="tls")).genesis
    assert chosen.transport == "tls" and any("TLS 1.3" in line for line in summary(chosen))
    with pytest.raises(OperatorError, match="libp2p, tls"):
        build(requests, **settings, transport="carrier-pigeon")


def test_requests_travel_as_text_into_the_document(requests, unsigned):
    travelled = [parse_request(render_request(request).encode()) for request in requests]
    assert travelled == requests


def test_a_request_for_another_network_is_not_built_in(requests):
    with pytest.raises(OperatorError, match="GEN-08"):
        build(requests, network="other-pool", created_ms=CREATED_MS)


def test_a_summary_warns_of_too_few_members_and_of_missing_trustees(requests):
    few = [one for one in requests if one.id in ("aachen", "bergen", "cork", "health-fund")]
    data = build(few, network=NETWORK, created_ms=CREATED_MS)
    warnings = [line for line in summary(parse_file(data).genesis) if line.startswith("warning")]
    assert any("f = 0" in line for line in warnings)
    assert any("no trustees" in line for line in warnings)


def test_a_document_is_put_where_nothing_is(tmp_path, unsigned):
    path = tmp_path / "genesis.cbor"
    assert put(path, unsigned).missing() == list(HOSPITALS)
    assert path.read_bytes() == unsigned


def test_building_the_same_document_again_keeps_its_signatures(tmp_path, unsigned, signed):
    path = tmp_path / "genesis.cbor"
    path.write_bytes(signed)
    before = path.stat()
    assert put(path, unsigned).missing() == []
    assert (path.read_bytes(), path.stat().st_ino) == (signed, before.st_ino)


def test_signatures_are_added_to_those_that_are_there(tmp_path, unsigned):
    path = tmp_path / "genesis.cbor"
    path.write_bytes(sign_file(unsigned, "aachen", signer("aachen"), "a"))
    assert put(path, sign_file(unsigned, "cork", signer("cork"), "b")).missing() == ["bergen", "delft"]
    assert sorted(parse_file(path.read_bytes()).signatures) == ["aachen", "cork"]


def test_nothing_else_that_is_there_is_ever_overwritten(tmp_path, requests, signed):
    other = build(requests, network=NETWORK, created_ms=CREATED_MS + 1, trustee_threshold=2, trustee_faults=1)
    for number, there in enumerate((signed, signed[:-1], b"", b"a letter")):
        path = tmp_path / str(number)
        path.write_bytes(there)
        with pytest.raises(OperatorError, match="GEN-11") as caught:
            put(path, other)
        assert path.read_bytes() == there
        assert caught.value.next_step.endswith(f"mv {path} {path}.old")


def test_a_document_that_breaks_many_rules_says_so_briefly(requests):
    hospitals = [one for one in requests if one.kind == "member"]
    with pytest.raises(OperatorError, match="GEN-05") as caught:
        build(hospitals, network=NETWORK, created_ms=0, trustee_threshold=9)
    assert len(caught.value.what) < 400
    bad = [one for one in requests if one.kind != "registrar"]
    with pytest.raises(OperatorError, match="GEN-05") as caught:
        build(bad, network=NETWORK, created_ms=CREATED_MS, trustee_threshold=9, trustee_faults=1)
    assert "no registrar" in caught.value.what and "silent" in caught.value.what
    assert len(caught.value.what) < 500
