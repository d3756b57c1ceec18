"""Figures of the hot path, each against a floor that is measured in the same run, interleaved with it."""
