"""The simulated shop: a press, a lathe, a spindle and a broker, each a process that needs nothing and leaves nothing behind."""
