"""The report of a run, written from published files alone."""
