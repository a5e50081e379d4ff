"""Replays exchanges recorded on real Grafana servers against a real `graftage serve`, and judges every
answer.
"""
