"""The embedded stack: a whole ModelRunner on one laptop, for runs without an AWS account.

::

    settings.py      LocalSettings: what the simulated service does
    stack.py         LocalStack: starts and ends everything; serve()
    child.py         what both child processes run first: they die with their parent
    emulator.py      child one: ministack's SQS, SNS, S3, STS and ECS on one loopback port
    sagemaker.py     beside them, what one looks for SageMaker endpoints with
    sagemaker_runtime.py  what answers at these endpoints, as event_stream.py where it streams
    signatures.py    whether a request to them is signed
    model_runner.py  child two: the simulated ModelRunner
    resources.py     the queues, topic, buckets and imagery it works with, and what tells of it
    imagery.py       small real GeoTIFF, NITF, PNG and JPEG files
    behaviour.py     what happens to one job, drawn from the seed before it happens
    messages.py      requests read, status messages written
    batches.py       sends many small messages in few calls, in order
    truth.py         the truth log: what the simulated service really did, and when
    model_server.py  a simulated edge endpoint, a child of its own, for users of kind: edge

The generator under test shares nothing with the stack but its endpoint: both
children are processes of their own, so their work never delays the
generator's event loop. Nothing here listens on anything but 127.0.0.1, writes
outside the stack's own directory, or reads the user's AWS credentials.
"""
