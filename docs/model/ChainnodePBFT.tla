--------------------------- MODULE ChainnodePBFT ---------------------------
(***************************************************************************)
(* The ordering and certifying core of chainnode, to read beside           *)
(* consensus/: PBFT (Castro and Liskov, OSDI 1999) with signed messages,   *)
(* two certificates (ADR 0005), the view change with null requests,        *)
(* catch-up, restarts, and turns of the primary.                           *)
(*                                                                         *)
(* Each action names the Python function that it mirrors, as               *)
(* "Mirrors file.py: name"; tests/test_model.py looks that they exist.     *)
(* What is left out stands in README.md.                                   *)
(*                                                                         *)
(* How it is kept small. Nothing that was said is ever unsaid, so there    *)
(* are no messages in flight: a replica may act on whatever subset of what *)
(* was said it pleases, or on none, and that is loss, delay, duplication   *)
(* and reordering. Byzantine members have no state: whatever their keys    *)
(* can sign counts as said, to each replica something else. What honest    *)
(* replicas sign cannot be forged.                                         *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets, TLC

CONSTANTS
    N,            \* members, numbered 0 .. N - 1 as in ReplicaSet
    Byzantine,    \* who of them is faulty
    LastView,     \* each turn has views 0 .. LastView
    LastSlot,     \* slots (= heights) 1 .. LastSlot, all inside one window
    TurnHeights,  \* after so many heights the next member leads; 0: only after a view change
    Values,       \* what a fresh proposal may hold
    Withhold,     \* TRUE: who gives no PREPARE may COMMIT, and a certificate may lie where no COMMIT was given
    BREAK         \* "" or the name of a planted bug

Breaks == {"", "quorum-minus-one", "empty-view-change", "null-for-prepared", "forget-new-view", "trust-any-block"}

ASSUME BREAK \in Breaks

Members == 0 .. (N - 1)
Honest == Members \ Byzantine
Slots == 1 .. LastSlot
F == (N - 1) \div 3

None == "none"  \* nothing said
Null == "null"  \* the null request: it comes in a NEW-VIEW or not at all (rules.py: is_null)

\* Mirrors types.py: quorum. ceil((n + f + 1) / 2)
Quorum == ((N + F + 2) \div 2) - (IF BREAK = "quorum-minus-one" THEN 1 ELSE 0)

\* Mirrors rules.py: turn_of
TurnOf(s) == IF TurnHeights = 0 THEN 0 ELSE (s - 1) \div TurnHeights

Turns == 0 .. TurnOf(LastSlot)
TurnViews == LastView + 1
Views == 0 .. ((TurnOf(LastSlot) + 1) * TurnViews - 1)
TurnOfView(v) == v \div TurnViews
FirstView(turn) == turn * TurnViews

\* Who leads slot s in view v: the one place to change where the rule changes. A view belongs to one turn, so
\* today the slot says nothing that the view does not.
\* Mirrors types.py: primary
Primary(v, s) == (TurnOfView(v) + (v % TurnViews)) % N

(***************************************************************************)
(* What the vote log and the chain store of each honest replica hold. All  *)
(* of it is durable before it is said (ready.py), so a restart changes     *)
(* nothing but what Restart says.                                          *)
(***************************************************************************)
VARIABLES
    view,     \* [Honest -> Views] the present view, or the one that it moves to
    active,   \* [Honest -> BOOLEAN] FALSE while it changes views
    prep,     \* prep[r][v][s]: its PREPARE, or as the primary its PRE-PREPARE, which is its vote
    com,      \* com[r][v][s]: its COMMIT
    asked,    \* asked[r][v]: its VIEW-CHANGE, a set of at most one [stable, shown]
    led,      \* led[v]: the NEW-VIEW of an honest primary, a set of at most one [low, again]
    entered,  \* entered[r]: the NEW-VIEW that led into its view, [low, again]
    chain,    \* chain[r]: what it executed, in order. Stands for the headers too: each names its parent
    stable    \* stable[r]: its low watermark, the last height that is executed here and certified

vars == <<view, active, prep, com, asked, led, entered, chain, stable>>

Nothing == [s \in Slots |-> None]
NoCertificates == [s \in Slots |-> <<>>]
NoNewView == [low |-> 0, again |-> Nothing]

Max(numbers) == CHOOSE n \in numbers : \A m \in numbers : m <= n
Min(numbers) == CHOOSE n \in numbers : \A m \in numbers : m >= n
Prefix(blocks, h) == SubSeq(blocks, 1, h)
Starts(blocks, longer) == Len(blocks) <= Len(longer) /\ Prefix(longer, Len(blocks)) = blocks

Init ==
    /\ view = [r \in Honest |-> 0]
    /\ active = [r \in Honest |-> TRUE]
    /\ prep = [r \in Honest |-> [v \in Views |-> Nothing]]
    /\ com = [r \in Honest |-> [v \in Views |-> Nothing]]
    /\ asked = [r \in Honest |-> [v \in Views |-> {}]]
    /\ led = [v \in Views |-> {}]
    /\ entered = [r \in Honest |-> NoNewView]
    /\ chain = [r \in Honest |-> <<>>]
    /\ stable = [r \in Honest |-> 0]

(***************************************************************************)
(* Certificates: what can be shown to anybody.                             *)
(***************************************************************************)

Proposed(v, s, d) == IF Primary(v, s) \in Byzantine THEN TRUE ELSE prep[Primary(v, s)][v][s] = d

\* The PRE-PREPARE and PREPAREs of quorum - 1 others. Byzantine backups sign any.
\* Mirrors rules.py: prepared_certificate
\* Mirrors forms.py: prepared_problem
Prepared(v, s, d) ==
    LET p == Primary(v, s)
        backups == {r \in Honest \ {p} : prep[r][v][s] = d}
    IN  Proposed(v, s, d) /\ Cardinality(backups) + Cardinality(Byzantine \ {p}) >= Quorum - 1

\* Mirrors rules.py: commit_certificate
Committed(v, s, d) ==
    Cardinality({r \in Honest : com[r][v][s] = d}) + Cardinality(Byzantine) >= Quorum

\* A quorum's BLOCK-VOTEs on the header of the last block of `blocks`. Who executed it votes, at once or later.
\* Mirrors checkpoint.py: cast_votes
\* Mirrors forms.py: certificate_problem
Certified(blocks) ==
    Cardinality({r \in Honest : Starts(blocks, chain[r])}) + Cardinality(Byzantine) >= Quorum

\* A header that no honest replica voted for has no quorum, so these are all there can be.
CertifiedChains ==
    LET honest == UNION {{Prefix(chain[r], h) : h \in 1 .. Len(chain[r])} : r \in Honest}
    IN  {blocks \in honest : Certified(blocks)}
CertifiedHeights == {0} \cup {Len(blocks) : blocks \in CertifiedChains}

\* Prepared certificates of slot s from views below v of the same turn: <<view, value>>.
Certificates(v, s) ==
    {c \in (FirstView(TurnOfView(v)) .. (v - 1)) \X (Values \cup {Null}) : Prepared(c[1], s, c[2])}

(***************************************************************************)
(* Watermarks. All slots of the model lie in one window, so what bounds    *)
(* them from above is the turn alone.                                      *)
(***************************************************************************)

\* Mirrors rules.py: above
High(low) == IF TurnHeights = 0 THEN LastSlot ELSE Min({LastSlot, (TurnOf(low + 1) + 1) * TurnHeights})

\* Mirrors rules.py: place
Between(r, s) == stable[r] < s /\ s <= High(stable[r]) /\ TurnOf(s) = TurnOfView(view[r])

(***************************************************************************)
(* The normal case.                                                        *)
(***************************************************************************)

\* The primary's next fresh proposal, above all that it knows to be ordered or proposed in this view.
\* Mirrors normal.py: propose
Propose(r, s, d) ==
    LET v == view[r]
        spoken == {t \in Slots : prep[r][v][t] # None}
        top == Max({stable[r], Len(chain[r]), entered[r].low} \cup spoken)
    IN  /\ active[r]
        /\ Primary(v, s) = r
        /\ Len(chain[r]) >= entered[r].low
        /\ s = top + 1
        /\ Between(r, s)
        /\ prep' = [prep EXCEPT ![r][v][s] = d]
        /\ UNCHANGED <<view, active, com, asked, led, entered, chain, stable>>

\* What its primary may have r take for slot s: what NEW-VIEW proposes again, else anything but the null request.
\* Mirrors normal.py: on_pre_prepare
\* Mirrors normal.py: enter
Offered(r, s, d) ==
    LET again == entered[r].again[s]
    IN  IF again # None THEN d = again ELSE d # Null /\ Proposed(view[r], s, d)

\* Mirrors normal.py: _prepare
Prepare(r, s, d) ==
    LET v == view[r]
    IN  /\ active[r]
        /\ Between(r, s)
        /\ Primary(v, s) # r
        /\ prep[r][v][s] = None
        /\ com[r][v][s] \in {None, d}
        /\ Offered(r, s, d)
        /\ prep' = [prep EXCEPT ![r][v][s] = d]
        /\ UNCHANGED <<view, active, com, asked, led, entered, chain, stable>>

\* COMMIT where the slot is prepared. With Withhold also where this replica gave no PREPARE (normal.py: _doubt).
\* That it contradicts no decision of its own is looked at there too, but forgotten with a restart: not here.
\* Mirrors normal.py: advance
Commit(r, s, d) ==
    LET v == view[r]
    IN  /\ active[r]
        /\ Between(r, s)
        /\ com[r][v][s] = None
        /\ prep[r][v][s] = d \/ (Withhold /\ prep[r][v][s] = None /\ Offered(r, s, d))
        /\ Prepared(v, s, d)
        /\ com' = [com EXCEPT ![r][v][s] = d]
        /\ UNCHANGED <<view, active, prep, asked, led, entered, chain, stable>>

(***************************************************************************)
(* Deciding, executing, certifying.                                        *)
(***************************************************************************)

\* A quorum of COMMITs, of whatever view, decides; slots are executed in order. More than the code allows: there
\* it has to come while the replica is in that view.
\* Mirrors normal.py: hand_out
\* Mirrors checkpoint.py: on_executed
Execute(r) ==
    LET s == Len(chain[r]) + 1
    IN  /\ s <= LastSlot
        /\ \E v \in Views, d \in Values \cup {Null} :
            /\ TurnOfView(v) = TurnOf(s)
            /\ Committed(v, s, d)
            /\ chain' = [chain EXCEPT ![r] = Append(@, d)]
        /\ UNCHANGED <<view, active, prep, com, asked, led, entered, stable>>

\* The watermark moves to h; where another turn begins there, so do its views, without a NEW-VIEW.
\* Mirrors steps.py: move
Move(r, h) ==
    LET turn == TurnOf(h + 1)
        newTurn == turn > TurnOf(stable[r] + 1) /\ h < LastSlot
    IN  /\ stable' = [stable EXCEPT ![r] = h]
        /\ view' = IF newTurn THEN [view EXCEPT ![r] = FirstView(turn)] ELSE view
        /\ active' = IF newTurn THEN [active EXCEPT ![r] = TRUE] ELSE active
        /\ entered' = IF newTurn THEN [entered EXCEPT ![r] = [low |-> h, again |-> Nothing]] ELSE entered
        /\ UNCHANGED <<prep, com, asked, led>>

\* Mirrors checkpoint.py: on_certificate
Certify(r, h) ==
    /\ stable[r] < h /\ h <= Len(chain[r])
    /\ Certified(Prefix(chain[r], h))
    /\ Move(r, h)
    /\ UNCHANGED chain

\* Blocks come from a peer, proven by the certificate of the last one; they continue what is here, or the node
\* stops (ForkError).
\* Mirrors checkpoint.py: install
CatchUp(r) ==
    LET invented == {Append(chain[r], d) : d \in Values}
        found == CertifiedChains \cup
                 (IF BREAK = "trust-any-block" /\ Len(chain[r]) < LastSlot THEN invented ELSE {})
    IN  \E blocks \in found :
            /\ Len(blocks) > Len(chain[r])
            /\ Starts(chain[r], blocks)
            /\ chain' = [chain EXCEPT ![r] = blocks]
            /\ Move(r, Len(blocks))

(***************************************************************************)
(* The view change.                                                        *)
(***************************************************************************)

\* Set P for one slot: the certificate of the highest view in which it prepared here. It lies under each COMMIT;
\* with Withhold it may also be one that no COMMIT was given for (a batch was missing).
\* Mirrors normal.py: prepared_certificates
Shown(r, s, w) ==
    LET mine == {v \in 0 .. (w - 1) : com[r][v][s] # None /\ TurnOfView(v) = TurnOfView(w)}
        best == IF mine = {} THEN <<>> ELSE <<Max(mine), com[r][Max(mine)][s]>>
        more == {c \in Certificates(w, s) : c[1] <= view[r] /\ (mine = {} \/ c[1] > Max(mine))}
    IN  IF s <= stable[r] \/ s > High(stable[r]) \/ BREAK = "empty-view-change" THEN {<<>>}
        ELSE {best} \cup (IF Withhold THEN more ELSE {})

\* A timer runs out, or f + 1 others ask: leave for view w and say what is stable and prepared. A VIEW-CHANGE that
\* is not given (asking, or silent for another reason) is one that never arrives.
\* Mirrors viewchange.py: start
\* Mirrors viewchange.py: ask
Leave(r, w) ==
    /\ w > view[r]
    /\ TurnOfView(w) = TurnOfView(view[r])
    /\ \E shown \in {f \in [Slots -> UNION {Shown(r, s, w) : s \in Slots}] : \A s \in Slots : f[s] \in Shown(r, s, w)} :
        asked' = [asked EXCEPT ![r][w] = {[stable |-> stable[r], shown |-> shown]}]
    /\ view' = [view EXCEPT ![r] = w]
    /\ active' = [active EXCEPT ![r] = FALSE]
    /\ entered' = [entered EXCEPT ![r] = NoNewView]
    /\ UNCHANGED <<prep, com, led, chain, stable>>

\* What Byzantine members may put into a VIEW-CHANGE for w: any certificates that exist. One is as bad as many.
\* Mirrors forms.py: _view_change_problem
Forgeable(w) ==
    LET heights == {h \in CertifiedHeights : h < LastSlot /\ TurnOf(h + 1) = TurnOfView(w)}
        certificates == {<<>>} \cup UNION {Certificates(w, s) : s \in Slots}
    IN  {change \in [stable : heights, shown : [Slots -> certificates]] :
            \A s \in Slots : \/ change.shown[s] = <<>>
                             \/ s > change.stable /\ change.shown[s] \in Certificates(w, s)}

\* Set O: from the highest stable height to the highest prepared slot, what was prepared in the highest view, else
\* the null request.
\* Mirrors rules.py: new_view_proposals
Again(changes) ==
    LET low == Max({change.stable : change \in changes})
        at(s) == {change.shown[s] : change \in changes} \ {<<>>}
        top == Max({low} \cup {s \in Slots : at(s) # {}})
        highest(s) == CHOOSE c \in at(s) : \A other \in at(s) : other[1] <= c[1]
        chosen(s) ==
            IF at(s) = {} THEN Null
            ELSE IF BREAK = "null-for-prepared" /\ \E change \in changes : change.shown[s] = <<>> THEN Null
            ELSE highest(s)[2]
    IN  [low |-> low, again |-> [s \in Slots |-> IF low < s /\ s <= top THEN chosen(s) ELSE None]]

\* Every NEW-VIEW for w that its backups would accept now: it follows from the VIEW-CHANGEs of exactly a quorum.
\* Mirrors forms.py: _new_view_problem
NewViews(w) ==
    LET have == {r \in Honest : asked[r][w] # {}}
        of(group) == UNION {asked[r][w] : r \in group}
        honest == {Again(of(group)) : group \in {g \in SUBSET have : Cardinality(g) = Quorum}}
        mixed == {g \in SUBSET have : Cardinality(g) < Quorum
                                      /\ Cardinality(g) + Cardinality(Byzantine) >= Quorum}
    IN  honest \cup UNION {{Again(of(group) \cup {lie}) : lie \in Forgeable(w)} : group \in mixed}

\* What follows from entering a view, for its primary and its backups. The highest stable certificate comes with
\* it: who executed that far has it.
Into(r, w, message) ==
    /\ view' = [view EXCEPT ![r] = w]
    /\ active' = [active EXCEPT ![r] = TRUE]
    /\ entered' = [entered EXCEPT ![r] = message]
    /\ stable' = IF Len(chain[r]) >= message.low
                 THEN [stable EXCEPT ![r] = Max({@, message.low})] ELSE stable
    /\ UNCHANGED <<com, asked, chain>>

\* The new primary. Its proposals, signed one by one in NEW-VIEW, are its votes.
\* Mirrors viewchange.py: lead
Lead(r) ==
    LET w == view[r]
    IN  /\ ~active[r]
        /\ Primary(w, stable[r] + 1) = r
        /\ asked[r][w] # {}
        /\ \E message \in NewViews(w) :
            /\ led' = [led EXCEPT ![w] = {message}]
            /\ prep' = [prep EXCEPT ![r][w] = message.again]
            /\ Into(r, w, message)

\* A backup takes a NEW-VIEW: the one of an honest primary, any that can be made of a Byzantine one.
\* Mirrors viewchange.py: on_new_view
\* Mirrors viewchange.py: enter
Enter(r, w) ==
    /\ w > view[r] \/ (w = view[r] /\ ~active[r])
    /\ TurnOfView(w) = TurnOfView(view[r])
    /\ Primary(w, stable[r] + 1) # r
    /\ \E message \in (IF Primary(w, stable[r] + 1) \in Byzantine THEN NewViews(w) ELSE led[w]) :
        Into(r, w, message)
    /\ UNCHANGED <<prep, led>>

\* All that was said is in the log, and the NEW-VIEW that was entered by. Where that is forgotten, a slot that it
\* proposes again and that is not voted on yet looks as if the primary may propose anything for it.
\* Mirrors restore.py: replay
Restart(r) ==
    /\ BREAK = "forget-new-view"
    /\ active[r] /\ led[view[r]] \cap {entered[r]} = {}
    /\ entered[r].again # Nothing
    /\ entered' = [entered EXCEPT ![r] = NoNewView]
    /\ UNCHANGED <<view, active, prep, com, asked, led, chain, stable>>

Next ==
    \E r \in Honest :
        \/ \E s \in Slots, d \in Values : Propose(r, s, d)
        \/ \E s \in Slots, d \in Values \cup {Null} : Prepare(r, s, d) \/ Commit(r, s, d)
        \/ Execute(r)
        \/ \E h \in Slots : Certify(r, h)
        \/ CatchUp(r)
        \/ \E w \in Views : Leave(r, w) \/ Enter(r, w)
        \/ Lead(r)
        \/ Restart(r)

Spec == Init /\ [][Next]_vars

\* Values are alike: what is checked of one naming holds for every other.
Alike == Permutations(Values)

(***************************************************************************)
(* What must hold. The oracle of the simulator (tests/sim/checks.py) that  *)
(* each corresponds to stands in README.md.                                *)
(***************************************************************************)

\* No two honest replicas execute different blocks at one height.
Agreement == \A a, b \in Honest : Starts(chain[a], chain[b]) \/ Starts(chain[b], chain[a])

\* No two certificates for different headers of one height.
OneCertificate == \A a, b \in CertifiedChains : Len(a) = Len(b) => a = b

\* No two quorums of COMMITs for different content of one slot, of whatever views.
OneDecision ==
    \A s \in Slots :
        Cardinality({d \in Values \cup {Null} : \E v \in Views : Committed(v, s, d)}) <= 1

\* What a certificate covers is never lost: no quorum decides its slot otherwise, the null request included, and
\* nobody executes another block there.
CertifiedIsKept ==
    \A blocks \in CertifiedChains :
        LET h == Len(blocks)
        IN  /\ \A v \in Views, d \in Values \cup {Null} : Committed(v, h, d) => d = blocks[h]
            /\ \A r \in Honest : Len(chain[r]) >= h => Prefix(chain[r], h) = blocks

\* A NEW-VIEW takes up whatever a quorum committed in a view before it.
CommittedIsTakenUp ==
    \A r \in Honest : active[r] =>
        \A s \in Slots, v \in Views, d \in Values \cup {Null} :
            /\ v < view[r] /\ TurnOfView(v) = TurnOfView(view[r]) /\ TurnOf(s) = TurnOfView(v)
            /\ entered[r] # NoNewView
            /\ Committed(v, s, d)
            => s <= entered[r].low \/ entered[r].again[s] = d

\* What was executed was decided by a quorum, or it came with a certificate.
OnlyByCertificate ==
    \A r \in Honest :
        /\ stable[r] > 0 => Certified(Prefix(chain[r], stable[r]))
        /\ \A s \in (stable[r] + 1) .. Len(chain[r]) : \E v \in Views : Committed(v, s, chain[r][s])

\* The form of the state; and nothing is committed that is not prepared.
Sound ==
    /\ \A r \in Honest : view[r] \in Views /\ stable[r] <= Len(chain[r]) /\ Len(chain[r]) <= LastSlot
    /\ \A r \in Honest, v \in Views, s \in Slots : com[r][v][s] # None => Prepared(v, s, com[r][v][s])

=============================================================================
