"""Measurements, not assertions: each prints a table with hardware, date and versions."""
