"""Texts that come in: STOP, and whatever else somebody answers to a text of ours."""
