"""What a patient asks to correct in a clinical note, and what a clinician of the practice answers. Behind the wall."""
