"""Where the data lies: the only place with SQL."""
