"""Open-loop load, the same for every system that is measured over a network."""
