"""The curves of charts: their points, their bands, and their pictures where there is no script."""
