"""Streaming financial sentiment monitor: the live service.

ingest/    1  bytes    -> Document         decode, normalise, near-duplicates, companies
classify/  2  Document -> Score            topic and sentiment, calibrated
trends/    3  Score    -> rolling windows  event-time buckets of mergeable counts
spikes/    4  windows  -> Spike            expectation, surprise, state
pipeline.py joins 1 to 3 and owns the commit order; overview.py joins 3 and 4 for console, API and /metrics; adapters/
is the only I/O; embedded/ has the servers for a machine without Docker; demo/ runs it all on a sample feed.
"""
