"""Unusual patterns in the log, as questions that a guardian can ask people. Never a verdict, a score or a mark."""
