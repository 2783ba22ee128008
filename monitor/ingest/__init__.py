"""Stage 1: bytes to documents: decode and validate, language, companies, near-duplicate sketches. Pure."""
