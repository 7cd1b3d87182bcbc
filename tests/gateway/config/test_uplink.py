"""The keys of a connection and of plain messages, and what does not fit together."""

import pytest

from gateway.config.uplink import Plain

HEAD = "site: muster\ngateway: hall-1\n"


def test_what_is_left_out_has_a_sensible_value(site):
    config = site(
        HEAD + "uplink: {broker: [mqtts://hub]}\nuplinks: {here: {broker: ['mqtt://127.0.0.1', 'ws://localhost']}}"
    ).config
    far, here = config.uplinks["cooperative"], config.uplinks["here"]
    assert (far.spread_s, far.local, far.keepalive, far.proxy, far.tls.pin, far.plain) == (30, False, 60, None, [], None)
    assert (here.spread_s, here.local) == (0, True)


def test_everything_that_can_be_said_of_the_way_there(site):
    text = """
uplink:
  broker: [mqtts://hub, "wss://hub.coop.example:444/mqtt"]
  tls: {pin: ["sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]}
  proxy: socks5://10.0.0.1
  proxy_credentials: {user: me, secret: proxy}
  keepalive: 10s
  first_within: 2min
"""
    uplink = site(HEAD + text).config.uplinks["cooperative"]
    assert (uplink.proxy.host, uplink.proxy.port, uplink.proxy_credentials.user) == ("10.0.0.1", 1080, "me")
    assert (uplink.keepalive, uplink.spread_s) == (10, 120)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("keepalive: 0s", "'keepalive' must be from 1s to 18h"),
        ("keepalive: 2d", "'keepalive' must be from 1s to 18h"),
        ("keepalive: 60", "'60' has no unit; did you mean '60s'?"),
        ("first_within: 2h", "'first_within' must be at most 1h"),
        ("proxy: 'http://proxy'", "'http://proxy' is not the URL of a proxy"),
        ("proxy_credentials: {user: me, secret: proxy}", "'proxy_credentials' are given but there is no 'proxy'"),
        ("proxy: 'http://p:1', proxy_credentials: {user: me, password: hunter2}", "'password'"),
        ("tls: {pin: ['sha1/abc']}", "'sha1/abc' is not a pin"),
        ("plain: {topic: 'shop/#'}", "topic"),
        ("plain: {topic: '/shop'}", "topic"),
        ("plain: {every: 2h}", "'every' must be at most 1h"),
        ("plain: {}, sparkplug: {}", "they are two recipients, so give each a name of its own under 'uplinks'"),
    ],
)
def test_what_does_not_fit_is_told_at_its_place(heads, keys, words):
    told = heads(HEAD + f"uplink: {{broker: [mqtts://hub], {keys}}}")
    assert any(words in head and head.startswith("site.yaml:3:") for head in told), told
    assert not any("hunter2" in head for head in told)


def test_certificates_without_tls_are_told(heads):
    (head,) = heads(HEAD + "uplink: {broker: [ws://hub], tls: {ca: ca.pem}}")
    assert "no broker uses mqtts:// or wss://" in head


def test_an_open_password_gets_the_url_that_hides_it(site):
    checked = site(HEAD + "uplink: {broker: ['ws://hub/mqtt'], credentials: {secret: mqtt}}")
    (warning,) = [problem.head for problem in checked.problems if "unencrypted" in problem.head]
    assert "write 'wss://hub/mqtt' if the broker can do TLS" in warning


def test_two_boards_at_one_place_are_told(heads):
    boards = "uplinks: {a: {broker: ['mqtt://h'], plain: {}}, b: {broker: ['mqtt://h'], plain: {topic: TOPIC}}}"
    assert any("topic 'retrofit' at one broker" in head for head in heads(HEAD + boards.replace("TOPIC", "retrofit")))
    assert heads(HEAD + boards.replace("TOPIC", "other")) == []


def test_an_empty_mapping_makes_a_board_with_its_defaults(site):
    uplink = site(HEAD + "uplink: {broker: ['mqtt://127.0.0.1'], plain: {}}").config.uplinks["cooperative"]
    assert uplink.plain == Plain()
    assert (uplink.plain.topic, uplink.plain.every, uplink.plain.discovery) == ("retrofit", 1, None)
