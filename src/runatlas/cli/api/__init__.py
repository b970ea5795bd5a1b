"""``runatlas api``: the API on the command line."""
