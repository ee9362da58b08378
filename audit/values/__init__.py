"""Opening what a change was, old → new: only with a reason, which goes into the log together with what was shown."""
