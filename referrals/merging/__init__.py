"""When a practice finds that it has two records of one person: one is kept, the other is closed for ever."""
