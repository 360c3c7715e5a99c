"""HTTP/1.1: connections, their pool, and the client on top."""
