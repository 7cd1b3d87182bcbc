"""The keys of the live lane, and what does not fit together."""

import pytest

HEAD = "site: muster\ngateway: hall-1\n"


def test_an_empty_mapping_turns_it_on_with_its_defaults(site):
    checked = site(HEAD + "uplink: {broker: [mqtts://hub], sparkplug: {}}")
    sparkplug = checked.config.uplinks["cooperative"].sparkplug
    assert (sparkplug.primary_host, sparkplug.history, sparkplug.datatype_in_data) == (None, False, "always")
    assert site(HEAD + "uplink: {broker: [mqtts://hub]}").config.uplinks["cooperative"].sparkplug is None


@pytest.mark.parametrize("name", ["a/b", "a+b", "a#b", '""'])
def test_a_host_id_is_a_level_of_a_topic(heads, name):
    (head,) = heads(HEAD + f"uplink: {{broker: [mqtts://hub], sparkplug: {{primary_host: {name}}}}}")
    assert head.startswith("site.yaml:3:")


def test_other_words_than_these_are_told(heads):
    (head,) = heads(HEAD + "uplink: {broker: [mqtts://hub], sparkplug: {datatype_in_data: auto}}")
    assert "always" in head


def test_one_node_stands_once_at_a_broker(heads):
    text = (
        HEAD
        + "uplink: {broker: ['mqtts://hub:8883'], sparkplug: {}}\n"
        + "uplinks: {customer: {broker: [mqtts://other, mqtts://hub], sparkplug: {}}, local: {broker: [mqtts://hub]}}\n"
    )
    words = "'uplinks' make 'cooperative' and 'customer' one Sparkplug node twice at hub:8883; leave it out of one of them"
    assert heads(text) == [f"site.yaml:4:10: {words}"]


def test_no_group_is_named_like_the_place_where_hosts_are_announced(heads):
    text = "site: STATE\ngateway: hall-1\n"
    (head,) = heads(text + "uplink: {broker: [mqtts://hub], sparkplug: {}}")
    assert "'site' cannot be STATE with 'sparkplug'" in head
    assert heads(text + "uplink: {broker: [mqtts://hub]}") == []
