"""What clients saw, and whether one chain could have shown it: histories of calls and their checkers."""
