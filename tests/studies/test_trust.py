"""The trust report: verdicts, the right reasons for images that are unfit, and what it says about bad arguments."""

import json

import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.microstructure import gaussian_field, laminate, thresholded
from jaxhomog.validity import NO, NOT_ASKED, UNDECIDED, YES, TrustItem, TrustReport

LAW = {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(5.0)}


def medium(shape, length, seed=0, fraction=0.4):
    return np.asarray(thresholded(gaussian_field(shape, length, seed=seed), fraction))


def item(name, verdict, decisive=True):
    return TrustItem(name, f"{name}?", verdict, "because", decisive=decisive, numbers={"x": np.nan, "y": [1, 2.5]})


def test_the_verdict_is_the_worst_decisive_one():
    assert TrustReport((item("a", YES), item("b", NOT_ASKED)), "s").verdict == YES
    assert TrustReport((item("a", YES), item("b", UNDECIDED)), "s").verdict == UNDECIDED
    assert TrustReport((item("a", YES), item("b", NO, decisive=False)), "s").verdict == UNDECIDED
    report = TrustReport((item("a", UNDECIDED), item("b", NO, False), item("c", NO), item("d", YES)), "s")
    assert report.verdict == NO and report.reasons == ("c", "b", "a")
    assert "may not be passed" in report.summary and "(c, b, a)" in report.summary
    assert report["d"].verdict == YES
    with pytest.raises(KeyError, match=r"no item 'e': there are a, b, c, d"):
        report["e"]
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["verdict"] == NO and plain["items"][0]["numbers"] == {"x": None, "y": [1, 2.5]}


def test_a_graded_material_is_not_stationary():
    """The level of the cut rises along axis 0: the volume fraction goes from .25 to .55."""
    field = gaussian_field((128, 128), 2.0, seed=3)
    level = np.linspace(0.674, -0.126, 128)[:, None]  # Phi(-level) = .25 and .55
    report = jh.trust((np.asarray(field) > level).astype(int)).value
    assert report.verdict == NO and report.reasons[0] == "stationarity"
    assert "axis 0" in report["stationarity"].evidence
    slope = np.asarray(report["stationarity"].numbers["slope"])[0, 0]
    assert abs(slope - 0.3) < 0.1


def test_an_image_smaller_than_its_correlation_is_no_sample():
    field = np.asarray(gaussian_field((256, 256), 40.0, seed=5))
    small = (field[64:112, 64:112] > np.median(field[64:112, 64:112])).astype(int)
    report = jh.trust(small).value
    assert report.verdict == NO
    assert report["correlation"].verdict == NO or report["rve_size"].verdict == NO
    assert report["stationarity"].verdict != YES


def test_geometry_alone():
    """A large sample of a median cut: everything that one image can show is fine; its exact integral range is known."""
    report = jh.trust(medium((400, 400), 2.0, 1, 0.5), accuracy=0.1, macro_length=1e3).value
    assert {i.name: i.verdict for i in report.items} == {
        "fraction": YES,
        "stationarity": YES,
        "correlation": YES,
        "ergodicity": UNDECIDED,
        "rve_size": YES,
        "scales": YES,
    }
    assert report.verdict == UNDECIDED and report.reasons == ("ergodicity",)
    assert "one image" in report["ergodicity"].evidence
    numbers = report["correlation"].numbers
    exact = 2 * np.pi * np.log(2) * 4  # 2 pi ln 2 l^2
    assert abs(float(numbers["integral_range"]) - exact) < 3 * float(numbers["integral_range_error"])
    # A window of edge L has the fraction f +- z sqrt(f (1 - f) A) / L: within 10 % of 1/2 from L = 81.8 on.
    assert report["rve_size"].numbers["fraction"]["edge"] == pytest.approx(1.96 * (0.25 * exact) ** 0.5 / 0.05, rel=0.1)


def test_realizations_decide_what_one_image_cannot():
    fields = np.asarray(gaussian_field((96, 96), 2.0, number=8, seed=2))
    report = jh.trust((fields > 0.2).astype(int), dim=2).value
    assert report["ergodicity"].verdict == YES
    offsets = np.random.default_rng(0).normal(size=(8, 1, 1)) * 0.5
    report = jh.trust((fields + offsets > 0.2).astype(int), dim=2).value
    assert report["ergodicity"].verdict == NO and report.verdict == NO


@pytest.mark.slow
def test_conduction_in_two_dimensions():
    x = medium((128, 128), 2.0, 4)
    report = jh.trust(x, LAW, accuracy=0.1, macro_length=np.array([500.0, 12.0])).value
    found = report["property"].numbers["conductivity"]
    whole = jh.homogenize(jh.Grid(x.shape), jh.PhaseMixture(x, LAW)).value.effective
    assert found["value"] == pytest.approx(float(np.trace(whole)) / 2, rel=1e-9)
    assert found["interval"][0] < found["value"] < found["interval"][1]
    gap = jh.duality(jh.Grid(x.shape), jh.PhaseMixture(x, LAW)).value.error
    assert report["voxels"].verdict == YES and report["voxels"].numbers["gap"] == pytest.approx(float(gap))
    assert report["energy"].verdict == YES
    # One point is far from the microstructure, the other is not: 2 / 12 is above the tolerance.
    regimes = np.asarray(report["scales"].numbers["regime"])
    assert report["scales"].verdict == NO and regimes[0] == 0 and regimes[1] > 0
    assert 0 < float(report["scales"].numbers["constant"]) < 2


@pytest.mark.slow
def test_a_periodic_laminate_needs_no_statistics_to_be_right():
    """All windows of a uniform image are alike: the interval is a point, and every question has its answer."""
    report = jh.trust(np.ones((24, 24), int), {1: jh.LinearElastic.isotropic(1.0, 0.3)}, macro_length=100.0).value
    assert report["stationarity"].verdict == YES and report["property"].verdict == YES
    bulk = report["property"].numbers["bulk"]
    assert bulk["interval"] == pytest.approx((bulk["value"], bulk["value"]), rel=1e-6)
    assert bulk["value"] == pytest.approx(1.0 / (2 * 1.3 * 0.4), rel=1e-6)  # E / (2 (1 + nu)(1 - 2 nu)), plane strain


@pytest.mark.parametrize(
    ("image", "options", "line"),
    [
        (np.zeros((8, 8)), {}, "type float64: give integer labels"),
        (np.zeros((8, 8), int), {"accuracy": 0}, r"accuracy=0: give a positive number below 1"),
        (np.zeros((8, 8), int), {"confidence": True}, r"confidence=True"),
        (np.zeros((8, 8), int), {"voxel_size": -1.0}, r"voxel_size=-1.0: give a positive number"),
        (np.zeros((8, 8), int), {"dim": 4}, r"dim=4"),
        (np.arange(64).reshape(8, 8) % 3, {}, r"3 labels: give phase="),
        (np.zeros((8, 8), int), {"phase": 7}, r"phase=7 is not in the image"),
        (laminate((8, 8), (0.5, 0.5)), {"law": LAW}, r"no windows of three sizes"),
        (laminate((24, 24), (0.5, 0.5)), {"law": {0: LAW[0]}}, r"label"),
        (laminate((24, 24), (0.5, 0.5)), {"law": 3}, r"law is a int"),
        (laminate((24, 24), (0.5, 0.5)), {"macro_length": "far"}, r"macro_length='far'"),
    ],
)
def test_bad_arguments(image, options, line):
    with pytest.raises(jh.InputError, match=line):
        jh.trust(image, options.pop("law", None), **options)
