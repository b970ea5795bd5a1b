"""What serves programs written against document 001 or 002 of other systems: ``Repo``, ``OpenApi``, and MatyanQL."""
