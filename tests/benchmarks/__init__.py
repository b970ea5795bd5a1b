"""What RunAtlas and its peers need for the same work: seconds, requests and memory; never asserted."""
