"""From a decoded request to the answer of every data source it names."""
