"""The lazy objects."""
