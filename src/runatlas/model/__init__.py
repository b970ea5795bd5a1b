"""The nouns of RunAtlas: frozen records and query values, without any I/O."""
