"""Windows of Blocks and points of Scans become features."""
