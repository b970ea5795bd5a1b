"""The demonstration: real models trained, recorded, and looked at through the public API."""
