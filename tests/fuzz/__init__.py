"""Bytes of other processes, made up: what decodes them may refuse them with WireError and nothing else.

    cd tests && ../.venv/bin/python -m fuzz arrow_reader -max_total_time=600

What it finds belongs in `corpus/<target>/`, from where every later run begins.
"""
