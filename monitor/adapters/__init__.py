"""The only I/O: one file per outside system and role. Library errors leave here as errors of the monitor's own."""
