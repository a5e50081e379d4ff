"""What the server keeps: a database, and the key that seals the secrets in it."""
