"""What the routes of every protocol share: bodies in, answers and failures out."""
