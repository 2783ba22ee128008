"""The real servers, Apache Kafka and Valkey, that a machine without Docker, root, Java or Redis runs on.

Owns their processes, ports and data on loopback; everything lives under one run directory, and no server outlives the
process that started it, however that one ends. Importing this package imports nothing else.
"""
