"""Kernels for signals and scans, each beside a plain-Python reference; imports nothing of the gateway."""
