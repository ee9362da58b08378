"""Who may speak for a patient, with which paper. They can stop things, and never agree to any."""
