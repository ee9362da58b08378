"""Information sheets on their way to patients: drafts, written or edited, and publishing them."""
