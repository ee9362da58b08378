"""The clinicians' pages of clinical notes. Nobody else learns that one exists."""
