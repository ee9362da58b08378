"""The practice's pages about patients. They live here because pilot.people lies below pilot.web."""
