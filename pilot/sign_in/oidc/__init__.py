"""Signing in through somebody else: NHS login for patients, an organisation's own sign-in for staff (OpenID Connect).

It opens no door that the person has not proved to be theirs, and it makes nobody a member of staff.
"""
