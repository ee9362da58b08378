"""Signing in: second factors, throttles, own sessions, and other providers' sign-in."""
