"""The live lane: this gateway as an edge node of Sparkplug B 3.0, its machines as the devices. `docs/formats.md` documents it."""
