"""The way out: a session with a broker, the batch lane's format, and the forwarder that empties an outbox into it."""
