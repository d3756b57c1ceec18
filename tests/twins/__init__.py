"""Twins (Bano et al., "Twins: BFT Systems Made Robust", OPODIS 2021) over the real Replica.

Up to f members have a twin: a second instance of the same unmodified code under the same key. Neither knows
of the other, so together they do whatever a faulty member could: they propose twice, vote twice, forget.
"""
