"""The embedded stack: a whole ModelRunner on one laptop, for runs without an AWS account.

The generator under test shares nothing with the stack but its endpoint: both
children are processes of their own, so their work never delays the
generator's event loop. Nothing here listens on anything but 127.0.0.1, writes
outside the stack's own directory, or reads the user's AWS credentials.
"""
