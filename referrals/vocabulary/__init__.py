"""The words by which clinical content is known (the text files) and how they are read. Used by `clinical_terms` alone."""
