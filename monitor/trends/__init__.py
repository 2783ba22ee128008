"""Stage 3: scores to rolling windows: event-time buckets of mergeable counts, and the series made of them. Pure."""
