"""The supervisors' pages: who waits, each coach's load, allocating and handing back."""
