"""One lazy, typed Python API over machine-learning experiments."""
