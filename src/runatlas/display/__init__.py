"""How objects show themselves in a notebook: HTML without scripts, made of plain values."""
