"""Users of OversightML ModelRunner: image jobs over SQS, statuses back on one queue."""
