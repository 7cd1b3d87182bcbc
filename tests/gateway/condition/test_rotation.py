"""Where the speed of a shaft comes from, and the features that turn with it, on machines that are made up sample by sample."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest

from gateway.condition.rotation import GEAR_UNITS, ORDER_NAMES, Rotation

RATE = 8192.0
SECONDS = 4.0
LENGTH = int(SECONDS * RATE)
TEETH = 23


def machine(hz: float, orders: dict[float, float], wobble: float = 0.0, noise: float = 0.02, blow: float = 0.0) -> array[float]:
    """A shaft with lines at orders, its speed wandering by `wobble` of a revolution, and a blow of one tooth per revolution."""
    t = np.arange(LENGTH) / RATE
    phase = hz * t + wobble * np.sin(2 * np.pi * 0.3 * t)
    x = noise * np.random.default_rng(1).standard_normal(LENGTH)
    for order, amplitude in orders.items():
        x += amplitude * np.sin(2 * np.pi * order * phase + order)
    x += blow * np.exp(-(phase % 1) * 400) * np.sin(2 * np.pi * 60 * phase)
    return array("f", x.astype("f"))


class TestOrders:
    def test_amplitudes_per_order_at_a_speed_that_is_told(self) -> None:
        values = Rotation(LENGTH, RATE).measure(machine(24.3, {1: 1.0, 2: 0.4, 2.5: 0.2, 10: 0.1}), 24.3)
        assert values["order_1"] == pytest.approx(1.0, rel=0.02)
        assert values["order_2"] == pytest.approx(0.4, rel=0.02)
        assert values["order_2.5"] == pytest.approx(0.2, rel=0.03)
        assert values["order_10"] == pytest.approx(0.1, rel=0.05)
        assert values["order_3"] < 0.02
        assert values["shaft_speed"] == pytest.approx(24.3 * 60, rel=1e-3)
        assert set(values) == {"shaft_speed", *ORDER_NAMES}

    def test_a_motor_may_slip_from_what_is_written_on_it(self) -> None:
        values = Rotation(LENGTH, RATE).measure(machine(24.3, {k: 1 / k for k in range(1, 11)}), 24.6)
        assert values["shaft_speed"] == pytest.approx(24.3 * 60, rel=2e-3)
        assert values["order_1"] == pytest.approx(1.0, rel=0.02)

    def test_a_speed_that_is_told_stands_where_the_waveform_shows_none(self) -> None:
        values = Rotation(LENGTH, RATE).measure(machine(24.3, {}), 25.0)
        assert values["shaft_speed"] == 1500.0
        assert values["order_1"] < 0.02

    def test_found_within_a_range(self) -> None:
        values = Rotation(LENGTH, RATE, range_hz=(20.0, 30.0)).measure(machine(24.3, {k: 1 / k for k in range(1, 11)}))
        assert values["shaft_speed"] == pytest.approx(24.3 * 60, rel=1e-3)
        assert values["order_1"] == pytest.approx(1.0, rel=0.02)

    def test_noise_has_no_speed_and_no_orders(self) -> None:
        values = Rotation(LENGTH, RATE, range_hz=(20.0, 30.0), teeth=TEETH).measure(machine(24.3, {}))
        assert all(map(math.isnan, values.values()))

    def test_a_slow_shaft_shows_half_orders_that_its_spectrum_would_not(self) -> None:
        values = Rotation(LENGTH, RATE).measure(machine(3.1, {0.5: 0.3, 1: 1.0}), 3.1)
        assert values["order_0.5"] == pytest.approx(0.3, rel=0.05)
        assert values["order_1"] == pytest.approx(1.0, rel=0.03)

    @pytest.mark.parametrize("hz", [math.nan, 0.0, -5.0, 1.6])
    def test_without_a_speed_or_with_too_few_revolutions_nothing_is_told(self, hz: float) -> None:
        values = Rotation(LENGTH, RATE, teeth=TEETH).measure(machine(24.3, {1: 1.0}), hz)
        assert all(math.isnan(values[name]) for name in (*ORDER_NAMES, *GEAR_UNITS))

    def test_one_rotation_takes_speeds_as_they_come(self) -> None:
        rotation = Rotation(LENGTH, RATE)
        for hz in (24.3, 5.0, 60.0, 24.3, 900.0):
            assert rotation.measure(machine(hz, {1: 1.0, 2: 0.5}), hz)["order_1"] == pytest.approx(1.0, rel=0.03)

    def test_a_sample_that_is_none_spoils_the_orders(self) -> None:
        samples = machine(24.3, {1: 1.0})
        samples[LENGTH // 2] = math.nan
        values = Rotation(LENGTH, RATE, teeth=TEETH).measure(samples, 24.3)
        assert values["shaft_speed"] == pytest.approx(24.3 * 60)
        assert all(math.isnan(values[name]) for name in (*ORDER_NAMES, *GEAR_UNITS))

    def test_silence(self) -> None:
        values = Rotation(LENGTH, RATE, teeth=TEETH).measure(array("f", bytes(4 * LENGTH)), 24.3)
        assert values["order_1"] == 0
        assert math.isnan(values["fm4"])

    def test_a_range_that_cannot_be_searched_says_why(self) -> None:
        rotation = Rotation(1000, RATE, range_hz=(20.0, 30.0))
        assert rotation.left_out.startswith("the speed of the shaft is not looked for: a speed of 20 Hz needs bins of")
        assert math.isnan(rotation.measure(array("f", bytes(4000)))["shaft_speed"])

    @pytest.mark.parametrize("length", [2, 3, 7, 100, 1001])
    def test_any_length_of_window(self, length: int) -> None:
        values = Rotation(length, RATE, teeth=TEETH).measure(array("f", bytes(4 * length)), 24.3)
        assert math.isnan(values["order_1"])


GEAR = {1: 0.3, TEETH: 1.0, 2 * TEETH: 0.3}


class TestGear:
    def test_a_gear_is_followed_while_its_speed_is_wrong_and_wanders(self) -> None:
        rotation = Rotation(LENGTH, RATE, teeth=TEETH)
        values = rotation.measure(machine(20.0, GEAR, wobble=0.05), 20.1)
        assert values["gear_mesh"] == pytest.approx(1.0, rel=0.03)
        assert values["sideband_index"] < 0.1
        assert values["shaft_speed"] == pytest.approx(1200, rel=2e-3)
        assert values["order_1"] == pytest.approx(0.3, rel=0.05)

    def test_a_blow_of_one_tooth_shows(self) -> None:
        good, broken = (Rotation(LENGTH, RATE, teeth=TEETH).measure(machine(20.0, GEAR, blow=blow), 20.0) for blow in (0.0, 1.0))
        assert good["fm4"] < 5
        assert broken["fm4"] > 3 * good["fm4"]
        assert broken["residual_kurtosis"] > 3 * good["residual_kurtosis"]

    def test_modulation_shows_in_the_sideband_index(self) -> None:
        orders = GEAR | {TEETH - 1: 0.2, TEETH + 1: 0.25}
        values = Rotation(LENGTH, RATE, teeth=TEETH).measure(machine(20.0, orders), 20.0)
        assert values["sideband_index"] == pytest.approx(0.45, rel=0.1)

    def test_na4_remembers_windows_also_over_a_restart(self) -> None:
        first, second = Rotation(LENGTH, RATE, teeth=TEETH), Rotation(LENGTH, RATE, teeth=TEETH)
        good, worse = machine(20.0, GEAR), machine(20.0, GEAR, noise=0.2)
        for _ in range(3):
            first.measure(good, 20.0)
        assert first.memory[0] == 3
        second.resume(*first.memory)
        assert first.measure(worse, 20.0)["na4"] == second.measure(worse, 20.0)["na4"]
        assert first.measure(worse, 20.0)["na4"] > 5

    def test_a_gear_that_does_not_stand_out_has_no_figures(self) -> None:
        values = Rotation(LENGTH, RATE, teeth=TEETH).measure(machine(20.0, {1: 1.0}, noise=0.5), 20.0)
        assert all(math.isnan(values[name]) for name in GEAR_UNITS)
        assert values["order_1"] == pytest.approx(1.0, rel=0.1)

    def test_more_teeth_than_the_rate_can_show_have_no_figures(self) -> None:
        values = Rotation(LENGTH, RATE, teeth=300).measure(machine(20.0, GEAR), 20.0)
        assert math.isnan(values["gear_mesh"])
