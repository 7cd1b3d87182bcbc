"""Bearings by name and by geometry, against the table of the Case Western Reserve University's bearing rig."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.bearing import Bearing
from gateway.config.bearings import Bearings, UnknownBearingError

CWRU = {
    "6205-2RS": (9, 0.3126, 1.537, (3.5848, 5.4152, 4.7135, 0.39828)),
    "6203-2RS": (8, 0.2656, 1.122, (3.0530, 4.9469, 3.9874, 0.3817)),
}
"""Balls, their diameter and the pitch diameter in inches, and the published rates; the one of the element counts both its blows."""


@pytest.mark.parametrize("name", CWRU)
def test_the_rates_of_a_geometry_are_the_published_ones(name):
    balls, ball, pitch, (outer, inner, element, cage) = CWRU[name]
    bearing = Bearing.of_geometry(name, balls, ball, pitch)
    assert (bearing.outer, bearing.inner, bearing.cage) == pytest.approx((outer, inner, cage), rel=3e-4)
    assert 2 * bearing.element == pytest.approx(element, rel=2e-3)


@pytest.mark.parametrize("name", CWRU)
def test_the_file_has_the_published_rates(name):
    outer, inner, element, cage = CWRU[name][3]
    bearing = Bearings().find(name)
    assert (bearing.outer, bearing.inner, 2 * bearing.element, bearing.cage) == pytest.approx(
        (outer, inner, element, cage), rel=1e-4
    )
    assert bearing.verified


@given(st.integers(5, 30), st.floats(0.05, 0.28), st.floats(0, 60))
def test_outer_and_inner_race_share_the_rollers_and_the_cage_carries_those_of_the_outer(rollers, ratio, angle):
    if rollers * ratio > 3:
        rollers = int(3 / ratio)
    bearing = Bearing.of_geometry("x", rollers, ratio, 1.0, angle)
    assert bearing.outer + bearing.inner == pytest.approx(rollers)
    assert bearing.cage * rollers == pytest.approx(bearing.outer)
    assert bearing.outer < bearing.inner


@pytest.mark.parametrize(
    "geometry", [(2, 1.0, 10.0, 0.0), (9, 0.0, 10.0, 0.0), (9, 11.0, 10.0, 0.0), (9, 1.0, 10.0, 90.0), (20, 3.0, 10.0, 0.0)]
)
def test_a_geometry_that_cannot_be_is_refused(geometry):
    with pytest.raises(ValueError, match=r"rolling elements|contact angle"):
        Bearing.of_geometry("x", *geometry)


def test_every_bearing_of_the_file_is_sound_and_says_where_it_comes_from():
    bearings = Bearings().known
    assert len(bearings) > 25
    for name, bearing in bearings.items():
        made = Bearing.of_geometry(name, bearing.rollers, 1.0, 1 / (1 - 2 * bearing.cage)) if bearing.rollers else bearing
        assert bearing.outer == pytest.approx(made.outer, rel=2e-3), name
        assert bearing.inner == pytest.approx(made.inner, rel=2e-3), name
        assert bearing.element == pytest.approx(made.element, rel=5e-3), name
        assert len(bearing.source) > 20, name


# of the catalogues of bearing makers: static load rating in kN and factor f0 of ISO 76
RATED = {
    "6200": (2.39, 13.2),
    "6204": (6.6, 13.1),
    "6205": (7.85, 13.9),
    "6206": (11.3, 13.8),
    "6208": (17.9, 14.0),
    "6308": (24.0, 13.2),
}


@pytest.mark.parametrize("name", RATED)
def test_number_and_size_of_the_balls_give_the_static_load_rating(name):
    rating_kn, factor = RATED[name]
    bearing = Bearings().find(name)
    bore, outside = {"6200": (10, 30), "6204": (20, 47), "6205": (25, 52), "6206": (30, 62), "6208": (40, 80), "6308": (40, 90)}[
        name
    ]
    ball = (1 - 2 * bearing.cage) * (bore + outside) / 2
    assert factor * bearing.rollers * ball**2 == pytest.approx(1000 * rating_kn, rel=0.04)


@pytest.mark.parametrize(
    "printed",
    ["6205", "6205-2RS-C3", "6205-2RS", "6205ZZ", "6205 2Z/C3", "SKF 6205-2RSH", "nsk 6205zz", "FAG-6205-C-2HRS", " 6205/C3 "],
)
def test_what_follows_the_number_and_who_made_it_does_not_matter(printed):
    assert Bearings().find(printed).name == "6205"


@pytest.mark.parametrize("printed", ["62055", "16205", "625", "", "NU", "6205205"])
def test_another_number_is_another_bearing(printed):
    with pytest.raises(UnknownBearingError, match="give its geometry"):
        Bearings().find(printed)


def test_a_slip_of_the_pen_is_told():
    with pytest.raises(UnknownBearingError, match="did you mean UER204"):
        Bearings().find("UR204-2RS")


def test_a_file_that_is_none_says_what_is_wrong(tmp_path):
    path = tmp_path / "bearings.yaml"
    for text, complaint in (
        ("bearings: {'1': {source: x, verified: no}}", "needs balls, ball and pitch"),
        ("bearings: {'1': {source: x, verified: no, bals: 3}}", "bals"),
        ("bearings: {'1': {source: x, verified: no, balls: 9, ball: 9, pitch: 8}}", "do not fit"),
        ("bearings: [", "bearings.yaml"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=complaint):
            Bearings(path)


def test_rates_alone_make_a_bearing(tmp_path):
    path = tmp_path / "bearings.yaml"
    path.write_text("bearings: {ours: {source: a drawing, verified: no, outer: 3.1, inner: 4.9, element: 2, cage: 0.39}}")
    bearings = Bearings(path)
    assert bearings.known["ours"].rollers == 0
    assert bearings.known["ours"].cage == 0.39
