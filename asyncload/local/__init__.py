"""The embedded stack: a whole ModelRunner on one laptop, for runs without an AWS account.

::

    settings.py      LocalSettings: what the simulated services do
    imagery.py       small real GeoTIFF, NITF, PNG and JPEG files
    ground_truth.py  the ground-truth log: what the simulated service really did, and when
    stack/
        stack.py         LocalStack: starts and ends everything; serve()
        process.py       child processes, seen from the parent
        protocol.py      what parent and children tell each other
        child.py         what each child runs first: they die with their parent
        emulator.py      child one: ministack's SQS, SNS, S3, STS and ECS on one loopback port
        resources.py     the queues, topic, buckets and imagery, and what tells of them
    model_runner/
        service.py       child two: the simulated ModelRunner
        receiver.py      from the request queue into its own hands
        behaviour.py     what happens to one job, drawn from the seed before it happens
        messages.py      requests read, status messages written
        publisher.py     sends many small messages in few calls, in order
    sagemaker/
        control.py       beside the emulator, what one looks for SageMaker endpoints with
        runtime.py       what answers at these endpoints
        signatures.py    whether a request to them is signed
        event_stream.py  how a streamed answer is written
        async_api.py     asynchronous inferences accepted, and what is told of them
        async_worker.py  the endpoints at work on them
    model_server/
        server.py        a simulated model server, a child of its own: also an edge endpoint
        inference.py     what it answers

The generator under test shares nothing with the stack but its endpoint: both
children are processes of their own, so their work never delays the
generator's event loop. Nothing here listens on anything but 127.0.0.1, writes
outside the stack's own directory, or reads the user's AWS credentials.
"""
