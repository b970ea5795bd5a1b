"""One package a protocol: routes, wire records and error body over the services, nothing else."""
