"""The campaign against the Modbus driver."""
