"""Asking before clinical content is saved where a coach can read it: the forms, the dialogue, what is recorded."""
