"""The entry point, ``Api``, and what opens the backend that its arguments name."""
