"""Other trackers' files become runs."""
