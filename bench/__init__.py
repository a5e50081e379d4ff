"""How fast the path of one query is, measured against a bare gRPC call to the same plugin process."""
