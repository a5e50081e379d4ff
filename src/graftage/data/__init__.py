"""Frames, fields, labels, and the older series and tables: columns and nothing else."""
