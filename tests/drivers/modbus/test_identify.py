from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.identify import Identity, identify, parse_objects, parse_server_id, parse_sunspec, text
from drivers.modbus.probe import READ_ONLY, Reply, fits
from tests.peers.modbus_bus import sunspec, unit

NAMES = {0: "Acme", 1: "PM-7", 2: "V2.1", 3: "http://acme.example", 4: "Power Meter", 5: "PM-7 S", 6: "Hall 3"}


class Asked:
    """Asks a unit of the tests and keeps what was asked."""

    def __init__(self, answer):
        self.answer = answer
        self.pdus = []

    async def __call__(self, pdu):
        self.pdus.append(pdu)
        assert pdu[0] in READ_ONLY
        answer = self.answer(pdu)
        assert answer is None or fits(answer, pdu)
        return Reply(answer)


async def test_basic_and_regular_identification():
    ask = Asked(unit(objects=NAMES))
    assert await identify(ask) == Identity(
        vendor="Acme",
        product="PM-7",
        revision="V2.1",
        url="http://acme.example",
        product_name="Power Meter",
        model="PM-7 S",
        application="Hall 3",
        by=("43/14",),
    )
    assert len(ask.pdus) == 2


async def test_an_identification_in_many_parts():
    identity = await identify(Asked(unit(objects=NAMES, part=1)))
    assert (identity.vendor, identity.product, identity.revision, identity.model) == ("Acme", "PM-7", "V2.1", "PM-7 S")


async def test_a_unit_that_says_more_follows_for_ever():
    def forever(pdu):
        return bytes([43, 14, pdu[2], 1, 0xFF, 0, 1, 0, 1, 65]) if pdu[0] == 43 else bytes([pdu[0] | 0x80, 1])

    ask = Asked(forever)
    assert (await identify(ask)).vendor == "A"
    assert len(ask.pdus) < 10


async def test_the_server_id_where_there_is_no_identification():
    identity = await identify(Asked(unit(server_id=b"\x07\xffEM24 rev 3\x00\x01")))
    assert identity.server_id == "EM24 rev 3"
    assert identity.by == ("17",)
    assert identity.words == "EM24 rev 3"


async def test_sunspec_common_block_and_models():
    for common in (65, 66):
        identity = await identify(Asked(unit(registers=sunspec([(213, 124), (160, 8)], common))))
        assert (identity.vendor, identity.product, identity.revision, identity.serial) == ("Acme", "Counter 3", "1.2", "SN77")
        assert identity.sunspec == 40000
        assert identity.models == (213, 160)


async def test_a_mute_unit_costs_few_requests():
    ask = Asked(lambda pdu: None)
    assert await identify(ask, [("input 11", 4, 11)]) == Identity()
    assert [pdu[0] for pdu in ask.pdus] == [43, 17, 3, 4]


async def test_type_registers_are_read_only_where_nothing_else_says_who_it_is():
    types = [("holding wire 5", 3, 5), ("holding wire 6", 3, 6)]
    assert (await identify(Asked(unit(registers={6: 71})), types)).types == {"holding wire 6": 71}
    assert (await identify(Asked(unit(registers={6: 71}, objects=NAMES)), types)).types == {}


def test_words():
    assert Identity(vendor="Acme", product="PM-7", revision="2").words == "Acme PM-7 2"
    assert Identity(vendor="Acme", product="60 012", model="PM-7").words == "Acme PM-7 (60 012)"
    assert Identity(product="PM-7", model="PM-7 S").words == "PM-7 S"
    assert Identity().words == ""


def test_text_is_made_printable():
    assert text(b"Acme\0rubbish") == "Acme"
    assert text(b"  A\x07\nb \xff ") == "A b"
    assert text("Müller".encode()) == "Müller"


@given(st.binary(max_size=80))
def test_any_identification_is_taken(data):
    more, following, objects = parse_objects(data)
    assert isinstance(more, bool)
    assert 0 <= following <= 255
    assert all(value.isprintable() for value in objects.values())


@given(st.binary(min_size=1, max_size=80))
def test_any_server_id_is_taken(data):
    assert parse_server_id(data).isprintable()


@given(st.binary(max_size=140))
def test_any_common_block_is_taken(data):
    identity = Identity()
    known = parse_sunspec(data, identity)
    assert known or identity == Identity()
