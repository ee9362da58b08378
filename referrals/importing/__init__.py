"""Referrals from a practice's own list: reading the file, judging each row, and saving what is good."""
