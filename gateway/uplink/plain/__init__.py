"""Plain messages for a broker in the shop: the latest value of every point, for Home Assistant, Node-RED and whoever reads JSON.

Live only, without an outbox: such a broker is a notice board. Who wants every value, in order and also those of an outage, gets
the batches.
"""
