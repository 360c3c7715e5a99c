"""A run on virtual time against a modelled SQS, service and network, all of it from one seed.

The engine, the users, the fast HTTP and SQS backends, the ledger, the status consumer, the search
among dead letters and the credentials are the real ones. The loop, the network, SQS and the
service are modelled, and they do what real ones do to a load test: lose, repeat, delay, reorder,
corrupt, throttle, partition, expire and restart.

    python -m tests.simulation --seeds 10000
    python -m tests.simulation --seed 4711
"""
