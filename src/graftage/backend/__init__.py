"""The calls that a plugin answers, as plain structs that host and SDK share."""
