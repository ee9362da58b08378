"""Putting right an answer that was recorded by mistake: both stay, with the reason."""
