"""The bundled sample feed: six days of invented finance news and comments, written by this project.

Every company, publisher, analyst house and person in it is fictional. Same seed, same bytes.
"""

from pipelines.sample_feed.job import write_sample

__all__ = ["write_sample"]
