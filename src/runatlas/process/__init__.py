"""What a process must know of other processes: locks between them, and the fork that made it."""
