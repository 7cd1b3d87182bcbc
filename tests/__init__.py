"""Tests of the gateway; they mirror the tree, integration runs real peers."""
