"""Data frames of any library, through the Arrow C data interface that all of them speak.

The structs and their owners are nanoarrow's: it calls each release callback once, on errors too. Values are
read by NumPy from where the structs point. The package is imported when the first data frame arrives.

No types are requested of a producer. The interface tells its own types only while a stream is opened, which
can be done once; polars and DuckDB ignore the request; and what pyarrow then converts takes longer than here
(a dictionary six times) and fails without naming the column.

Source: Apache Arrow, "The Arrow C data interface", "The Arrow C stream interface", "The Arrow PyCapsule
Interface", "Arrow Columnar Format".
"""
