"""Stage 2: documents to scores: what a model reads, batches by token budget, and splitting off a culprit. Pure."""
