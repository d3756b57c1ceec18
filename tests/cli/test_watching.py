"""What a sysadmin asks of a running node: why, whether it may stop, evidence, a backup; and strong reads."""

import json
import time
from dataclasses import replace

import pytest
from msgspec import structs

from chainnode.cli.commands.backup import silence
from chainnode.cli.main import run
from chainnode.cli.whyviews import view_name, why_tables
from chainnode.ledger.evidencefile import encode_evidence
from chainnode.net.wire import NEWEST_VERSION
from chainnode.vault.keystore import NodeKeys
from consensus.codec import encode
from consensus.messages import Prepare, signed_bytes
from genesis.document import load_genesis
from genesis.errors import EXIT_REFUSED, EXIT_USAGE, EXIT_VERIFY
from tests.gateway.fake import WHY
from tests.localnet.consortium import PASSPHRASE


@pytest.mark.parametrize(
    ("view", "name"),
    [(0, "0"), (999_999, "999999"), (1_000_000, "0 of turn 1"), (3_000_002, "2 of turn 3")],
)
def test_a_views_turn_is_said_in_words(view: int, name: str):
    assert view_name(view) == name


def test_status_says_why_peer_by_peer(hospital, ok):
    for _ in range(200):
        why = ok("status", "--why", *hospital.node)
        if why["peers"][0]["voting"] is not None:
            break
        time.sleep(0.1)  # it tells it twice a second
    assert (why["slug"], why["quorum"], why["silent_because"]) == ("hospital-a", 2, "")
    (peer,) = why["peers"]
    assert peer["up"] and peer["version"] == NEWEST_VERSION
    assert peer["voting"] is True and abs(peer["clock_ms"]) < 60_000
    assert run([str(word) for word in ("status", "--why", *hospital.node)]) == 0


def test_status_says_that_the_others_do_not_go_on_without_this_node(hospital, capsys):
    assert run([str(word) for word in ("status", "--can-stop", *hospital.node)]) == EXIT_REFUSED
    assert capsys.readouterr().out.startswith("no: without hospital-a only 1 members would vote and 2 are")
    assert run([str(word) for word in ("status", "--can-stop", "--json", *hospital.node)]) == EXIT_REFUSED
    assert json.loads(capsys.readouterr().out)["can_stop"] is False


def test_why_is_shown_whole_where_much_is_amiss():
    shown = why_tables(WHY)
    assert shown[:3] == [
        "quorum lost: 2 of 3 members linked (this one included), 3 needed; "
        "nothing can be committed until 1 more is back",
        "this node does not vote: asks",
        "batches that wait to be ordered: 1",
    ]
    assert shown[-2:] == ["the disk", "the clock"] and len(shown) == 8


CALM = replace(
    WHY,
    quorum=2,
    silent_because="",
    batches_waiting=0,
    lacking=None,
    alarms=(),
    peers=(replace(WHY.peers[0], voting=True),),
)


@pytest.mark.parametrize(
    ("amiss", "first"),
    [
        ({}, "everything that was proposed is certified: nothing is waited for"),
        ({"quorum": 3}, "quorum lost: "),
        ({"peers": WHY.peers[:1]}, "quorum lost: 1 of 2 members vote, 2 are needed: hospital-a follows"),
        ({"silent_because": "asks", "quorum": 1}, "this node does not vote: asks"),
        ({"batches_waiting": 2}, "batches that wait to be ordered: 2"),
        ({"behind": 9}, "blocks are fetched: others are at 9, this node is at 7"),
        ({"votes": False, "silent_because": "not a member", "quorum": 1}, "everything that was proposed"),
    ],
)
def test_nothing_is_waited_for_only_where_that_is_true(amiss, first):
    sentences = [one for one in why_tables(replace(CALM, **amiss)) if isinstance(one, str)]
    assert len(sentences) == 1 and sentences[0].startswith(first)


def test_nothing_is_told_of_what_a_peer_that_is_down_has_certified():
    peers = why_tables(WHY)[-3]
    cells = {column.header: list(column.cells) for column in peers.columns}
    assert cells["height"] == ["7", "-"] and cells["view"] == ["2", "-"]


@pytest.mark.parametrize(
    "line",
    [
        ("status",),
        ("department", "list"),
        ("study", "list"),
        ("patient", "list"),
        ("record", "list"),
        ("request", "list"),
        ("member", "list"),
        ("show", "1"),
    ],
    ids=" ".join,
)
def test_reads_are_strong_where_asked_for(hospital, ok, line):
    before = ok("status", *hospital.node)["height"]
    ok(*line, "--strong", *hospital.node)
    assert ok("status", *hospital.node)["height"] > before, "a barrier made a block"


def test_no_evidence_is_an_empty_list_and_an_unknown_id_is_refused(hospital, ok):
    assert ok("evidence", "list", *hospital.node) == []
    out = hospital.folder / "no.evidence"
    for id_, code in (("ab", EXIT_USAGE), ("ab" * 32, EXIT_REFUSED)):
        assert run([str(word) for word in ("evidence", "export", id_, "--out", out, *hospital.node)]) == code
    assert not out.exists()


def test_an_exported_file_convicts_a_member_offline(hospital, ok):
    chain_id = load_genesis(hospital.genesis).chain_id
    key = NodeKeys.open(hospital.other_home / "keystore.key", PASSPHRASE).validator

    def said(content: bytes) -> bytes:
        bare = Prepare(0, 0, 9, content * 32, 1)
        return encode(structs.replace(bare, signature=key.sign(signed_bytes(bare, chain_id))))

    file = hospital.folder / "liar.evidence"
    data = encode_evidence(chain_id, key.public, said(b"1"), said(b"2"))
    file.write_bytes(data)
    found = ok("verify", file, "--genesis", hospital.genesis)
    assert found["kind"] == "evidence" and found["member"] == "hospital-b"
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    line = ("verify", file, "--genesis", hospital.genesis)
    assert run([str(word) for word in line]) == EXIT_VERIFY


def test_a_backup_of_the_running_node_is_written_and_checked(hospital, ok):
    ok("status", "--strong", *hospital.node)
    out = hospital.folder / "running.backup"
    made = ok("backup", "create", *hospital.node, "--out", out)
    assert made["node_was_running"] and made["slug"] == "hospital-a" and made["height"] > 0
    assert made["file_bytes"] == out.stat().st_size
    home = hospital.folder / "restored"
    restored = ok("backup", "restore", out, "--home", home)
    assert restored["entries"] == made["entries"] and restored["silent_blocks"] == 32
    said = silence(32, made["height"])
    assert "about 32 more blocks" in said and f"height {made['height'] + 32} or" in said
    assert (home / "keystore.key").read_bytes() == (hospital.home / "keystore.key").read_bytes()


def test_a_feature_is_proposed_and_says_in_words_what_signing_it_means(hospital, ok, cli):
    file = hospital.folder / "feature.change"
    made = ok("member", "propose", "feature", "erasure-2", "--out", file, *hospital.node)
    assert (made["kind"], made["id"], made["after"]) == ("feature", "erasure-2", made["before"])
    assert made["delay_heights"] > 16
    shown = " ".join(cli("member", "show", file).out.split())
    assert "the feature erasure-2 of the protocol begins; a node whose release does not know it" in shown
