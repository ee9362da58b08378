"""Invitations: a code that lets a patient decide for themselves."""
