"""The campaign against the outbox."""
