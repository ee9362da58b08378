"""A copy of everything that is held about a patient, for them to take away: asked for, made, taken once, wiped."""
