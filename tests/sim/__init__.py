"""The deterministic simulator: whole replicas over simulated links, disks and clocks.

What is real: Engine, Replica, VoteLog, Executor, ledger, CatchUp, frames and batches. What is simulated:
time, links, disks, the signatures of votes, and the thin loops around the engine. One seed is one run.
"""
