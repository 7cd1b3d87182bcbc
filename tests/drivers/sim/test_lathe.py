import asyncio

from drivers.sim import lathe
from tests.peers import shop


def test_parts_are_made_and_the_state_fits():
    values = [lathe.values_at(t / 4) for t in range(int(8 * lathe.PART_S * 4))]
    assert {v["State"] for v in values} == {lathe.STATE_IDLE, lathe.STATE_RUN}
    assert all((v["SpindleSpeed"] > 0) == (v["State"] == lathe.STATE_RUN) for v in values)
    assert all(v["DoorClosed"] for v in values if v["State"] == lathe.STATE_RUN)
    assert values[-1]["PartCount"] - values[0]["PartCount"] == 7
    assert len({v["Program"] for v in values}) == 3


async def test_answers_an_opcua_client_by_path_and_by_node_id():
    from asyncua import Client

    async with shop.machine("lathe") as (port, _), Client(f"opc.tcp://127.0.0.1:{port}") as client:
        index = await client.get_namespace_index(lathe.NAMESPACE)
        by_path = await client.nodes.objects.get_child([f"{index}:Lathe", f"{index}:Temperature"])
        assert by_path.nodeid.to_string() == f"ns={index};s=Lathe.Temperature"
        assert 28 < await by_path.read_value() < 31
        speed = client.get_node(f"ns={index};s=Lathe.SpindleSpeed")
        assert await client.get_node(f"ns={index};s=Lathe.Program").read_value() == lathe.PROGRAMS[0]
        assert await client.get_node(f"ns={index};s=Lathe.State").read_value() == lathe.STATE_RUN
        queue: asyncio.Queue[float] = asyncio.Queue()

        class Handler:
            def datachange_notification(self, node, value, data):
                queue.put_nowait(value)

        subscription = await client.create_subscription(100, Handler())
        await subscription.subscribe_data_change(speed)
        async with asyncio.timeout(10):
            assert len({await queue.get() for _ in range(3)}) == 3
        await subscription.delete()
