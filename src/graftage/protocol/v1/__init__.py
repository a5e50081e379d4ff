"""Version 1 of the data source protocol: requests and answers between bytes and values."""
