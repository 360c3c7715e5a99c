"""How calls leave the generator: AWS sessions and clients, and the message-queue seam."""
