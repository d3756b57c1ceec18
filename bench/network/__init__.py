"""Four nodes as processes on the loopback, against the least that four processes could do."""
