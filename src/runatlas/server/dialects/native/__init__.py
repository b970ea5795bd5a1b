"""RunAtlas's own protocol, under ``/atlas/v1``."""
