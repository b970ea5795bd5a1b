"""MatyanQL, matyan's query language: made a filter as far as that goes, and interpreted for the rest."""
