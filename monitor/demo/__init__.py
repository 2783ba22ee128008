"""`monitor demo`: the whole path on one machine, as separate processes like those of production, with a sample feed."""
