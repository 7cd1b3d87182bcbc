"""Drivers that ship with the gateway; each folder: code, README.md, example.yaml."""
