"""HTTP from the client's side: the only place that imports requests."""
