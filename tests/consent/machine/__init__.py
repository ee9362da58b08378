"""The consent state machine: what everybody does in random order, with errors injected, and what holds after each step."""
