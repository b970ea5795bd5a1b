"""Statistics over runs: what a few values amount to, and how sure that is."""
