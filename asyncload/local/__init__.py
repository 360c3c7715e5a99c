"""The embedded stack: a whole ModelRunner on one laptop, for runs without an AWS account.

::

    settings.py      LocalSettings: what the simulated service does
    stack.py         LocalStack: starts and ends everything; serve()
    child.py         what both child processes run first: they die with their parent
    emulator.py      child one: ministack's SQS, SNS, S3 and STS on one loopback port
    model_runner.py  child two: the simulated ModelRunner
    resources.py     the queues, topic, buckets and imagery it works with
    imagery.py       small real GeoTIFF, NITF, PNG and JPEG files
    behaviour.py     what happens to one job, drawn from the seed before it happens
    messages.py      requests read, status messages written
    batches.py       sends many small messages in few calls, in order
    truth.py         the truth log: what the simulated service really did, and when

The generator under test shares nothing with the stack but its endpoint: both
children are processes of their own, so their work never delays the
generator's event loop. Nothing here listens on anything but 127.0.0.1, writes
outside the stack's own directory, or reads the user's AWS credentials.
"""
