"""The server: a store, the rules over it, and the protocols it speaks."""
