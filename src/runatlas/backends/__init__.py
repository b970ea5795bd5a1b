"""How an Api reaches its data: one class a kind of server, records in and records out."""
