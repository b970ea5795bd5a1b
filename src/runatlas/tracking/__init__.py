"""The writing side: what training code records, and how it gets where it is kept."""
