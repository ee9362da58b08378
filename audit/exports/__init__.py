"""A part of the log taken away as a file, with what an outsider needs to check that it is the log's."""
