"""Long runs against the promises of the Modbus driver; small ones of the same kind are part of the normal tests."""
