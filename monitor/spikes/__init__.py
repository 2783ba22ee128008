"""Stage 4: windows to spikes: what the past leads one to expect, how surprising the present is, and when to say so. Pure."""
