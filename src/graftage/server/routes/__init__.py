"""One module per part of the API; each has a function ``routes`` that is given what its handlers need."""
