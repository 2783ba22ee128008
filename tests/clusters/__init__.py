"""Real clusters on loopback for tests, each a context manager that has its nodes up inside and gone outside.

`ValkeyCluster`: three masters that share the slots, with a replica each. `KafkaCluster`: three nodes that are broker and
controller, replication 3, min ISR 2. A node can be killed (SIGKILL) and started again on the same ports and data.
"""
