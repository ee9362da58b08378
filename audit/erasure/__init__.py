"""What becomes of a record when its time is over: how long it is kept, what goes, what stays, and the guardian's pages."""
