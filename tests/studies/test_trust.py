"""The trust report: verdicts, the right reasons for images that are unfit, and what it says about bad arguments."""

import json

import numpy as np
import pytest
from scipy.special import stdtrit

import jaxhomog as jh
from jaxhomog.microstructure import gaussian_field, laminate, thresholded
from jaxhomog.studies._trust_items import interval_of, property_item, size_item
from jaxhomog.validity import NO, NOT_ASKED, UNDECIDED, YES, Scale, TrustItem, TrustReport, judge_rve_size

VOID = jh.LinearConduction(0.0)
LAW = {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(5.0)}

HALVES = np.asarray(laminate((24, 24), (0.5, 0.5)))


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


def test_a_uniform_image_has_no_structure():
    """It cannot tell whether it is a homogeneous body or less than one feature of another, and says that alone."""
    report = jh.trust(np.ones((16, 16), int), macro_length=1e-3).value
    assert report.verdict == UNDECIDED and report.reasons == ("correlation",), report
    assert report["scales"].numbers["micro_length"] == 0


def test_the_levels_are_those_that_were_asked_for():
    """A macroscopic length that is known to 10: eps = L / (100 +- z 10) is sure at 90 %, not at 99.9 %."""
    x = medium((64, 64), 1.0)
    length = jh.trust(x).value["correlation"].numbers["correlation_length"]
    settings = {"macro_length": Scale(np.float64(100.0), np.float64(10.0)), "accuracy": float(length) / 75}
    verdicts = [jh.trust(x, confidence=c, **settings).value["scales"].verdict for c in (0.6, 0.999)]
    assert verdicts == [YES, UNDECIDED]


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
def test_a_uniform_image_needs_no_statistics():
    """All windows of a uniform image are alike: the interval is a point, and every question has its answer."""
    report = jh.trust(np.ones((24, 24), int), {1: jh.LinearElastic.isotropic(1.0, 0.3)}, macro_length=100.0).value
    assert report.reasons == ("correlation",), report
    bulk = report["property"].numbers["bulk"]
    assert bulk["interval"] == pytest.approx((bulk["value"], bulk["value"]), rel=1e-6)
    assert bulk["value"] == pytest.approx(1.0 / (2 * 1.3 * 0.4), rel=1e-6)  # E / (2 (1 + nu)(1 - 2 nu)), plane strain


def test_axes_of_one_voxel_are_no_directions():
    """A line of 1600 voxels is a box of edge 1600, however many axes of one voxel it has."""
    line = np.random.default_rng(0).integers(0, 2, 1600)
    one, many = jh.trust(line).value, jh.trust(line[None, :, None]).value
    sizes = [report["rve_size"].numbers for report in (one, many)]
    assert sizes[0]["image_edge"] == sizes[1]["image_edge"] == 1600
    # Independent voxels: z^2 / (4 L) = (0.05 / 2)^2, integral range one.
    assert sizes[1]["fraction"]["edge"] == sizes[0]["fraction"]["edge"] == pytest.approx(1537, rel=0.15)


CELL = np.kron([[0, 0], [0, 1]], np.ones((4, 4), int))


def test_a_unit_cell_is_its_own_rve():
    """Three by two periods of a cell of 8 x 8: nothing is estimated, and the period is the length."""
    image = np.tile(CELL, (3, 2))
    report = jh.trust(
        image, periodic_cell=True, accuracy=0.1, macro_length=np.array([100.0, 20.0]), voxel_size=0.5
    ).value
    assert {i.name: i.verdict for i in report.items if i.name != "scales"} == dict.fromkeys(
        ("fraction", "stationarity", "correlation", "ergodicity", "rve_size"), YES
    )
    assert report["fraction"].numbers["low"] == report["fraction"].numbers["high"] == 0.25
    assert report["rve_size"].numbers["fraction"]["edge_interval"] == (8, 8)
    np.testing.assert_allclose(report["scales"].numbers["eps_length"], [0.04, 0.2])
    assert report.reasons == ("scales",) and "every 8 x 8 voxels" in report.assumption
    assert report.assumption in report.text() and report.to_dict()["assumption"] == report.assumption


def test_without_being_told_it_is_a_sample_and_says_so():
    """Also where an image repeats itself exactly, which it does not hide; one that does not is not suspected."""
    tiled, random = jh.trust(np.tile(CELL, (4, 4))).value, jh.trust(medium((32, 32), 1.5)).value
    assert "repeats itself every 8 x 8 voxels" in tiled.assumption and "periodic_cell=True" in tiled.assumption
    assert "one sample of a random medium (" in random.assumption and tiled.verdict == NO


@pytest.mark.slow
@pytest.mark.parametrize("image", [np.tile(CELL, (2, 2)), np.array([[0], [1], [1]])], ids=["inclusion", "laminate"])
def test_the_property_of_a_unit_cell_has_no_scatter(image):
    """That of the cell, or of the laminate's axes: (<k> + 1 / <1 / k>) / 2 = (11 / 3 + 3 / 1.4) / 2."""
    report = jh.trust(image, LAW, periodic_cell=True, macro_length=1e3).value
    found = report["property"].numbers["conductivity"]
    whole = jh.homogenize(jh.Grid(image.shape), jh.PhaseMixture(image, LAW)).value.effective
    assert found["value"] == pytest.approx(float(np.trace(whole)) / 2, rel=1e-9)
    assert found["interval"] == (found["value"], found["value"]) and report.verdict == YES
    if image.shape == (3, 1):
        assert found["value"] == pytest.approx((11 / 3 + 3 / 1.4) / 2)
        # N across: slopes k* / k - 1, k* = 3 / 1.4, on three nodes; the rms over three voxels is c1 in periods.
        nodes = np.cumsum([0, 3 / 1.4 - 1, 3 / 7 - 1])
        assert float(report["scales"].numbers["constant"]) == pytest.approx(nodes.std() / 3)


def test_features_of_a_voxel_are_as_long_as_one():
    """White noise: the samples' covariance vanishes at the next voxel, and the length is no shorter than a voxel."""
    noise = np.random.default_rng(0).integers(0, 2, (32, 32))
    assert jh.trust(noise, macro_length=10.0).value["scales"].numbers["eps_length"] == pytest.approx(0.1)


@pytest.mark.slow
def test_a_medium_that_does_not_conduct():
    report = jh.trust(np.zeros((24, 24), int), {0: VOID}, boundaries=("affine",)).value
    assert report["voxels"].verdict == report["property"].verdict == UNDECIDED and "nan" not in report.text()


def law_of(windows=(10, 14, 20), correlation=2.0, slope=2.0):
    """100 windows a size, deviation 2 / edge, mean 10 + slope / edge, in a 2-D image of 100^2."""
    z = np.random.default_rng(1).normal(size=(3, 100))
    z = (z - z.mean(1, keepdims=True)) / z.std(1, ddof=1, keepdims=True)
    samples = [10 + slope / w + 2 / w * x for w, x in zip(windows, z, strict=True)]
    return judge_rve_size(windows, {"periodic": samples}, dim=2, image_voxels=1e4, correlation=correlation)


def half(values, space, size):
    low, high = interval_of(values, size, space)
    assert low + high == pytest.approx(2 * np.mean(values))
    return (high - low) / 2


def test_the_interval_of_the_property():
    """Bias: once per face, whatever the number of images. Random part: of the whole volume."""
    size = law_of()
    slope, error = abs(size.fit.slopes[0]), size.fit.slopes_error[0]
    deviation, error = float(size.scatter.deviation(100)), 1.96 * error
    # Student's t with 2 / var(log s^2) degrees of freedom, the variance of the line that was fitted, at 100^2 voxels.
    x = np.log(1e4 / size.scatter.reference)
    t = stdtrit(2 / (np.array([1, -x]) @ size.scatter.covariance @ np.array([1, -x])), 0.975)
    assert 1.96 < t < 4
    one = half([10.0], (100, 100), size)
    assert one == pytest.approx(slope / 100 + np.hypot(t * deviation, error / 100), rel=1e-3)
    four = half([10.0] * 4, (100, 100), size)
    assert four == pytest.approx(slope / 100 + np.hypot(t * deviation / 2, error / 100), rel=1e-3)
    # 400 x 25 voxels have the volume of 100 x 100 and faces of (1/400 + 1/25) / 2.
    long = half([10.0], (400, 25), size)
    assert long == pytest.approx(slope * 0.02125 + np.hypot(t * deviation, error * 0.02125), rel=1e-3)


def test_many_images_show_their_own_scatter():
    """Images that differ more than windows tell: t_4 s / sqrt(5) of (8, 9, 10, 11, 12) is 1.9632."""
    size = law_of(slope=0.0)
    layer = abs(size.fit.slopes[0]) / 100, 1.96 * size.fit.slopes_error[0] / 100
    assert half([8.0, 9, 10, 11, 12], (100, 100), size) == pytest.approx(
        layer[0] + np.hypot(1.9632, layer[1]), rel=1e-3
    )


def test_windows_inside_the_correlation_decide_nothing():
    found, small = law_of(), law_of(correlation=30.0)
    for size, verdict in ((found, YES), (small, UNDECIDED)):
        assert property_item({"conductivity": np.array([10.0])}, {"conductivity": size}, (100, 100)).verdict == verdict
        assert size_item({"conductivity": size}, {}, 100.0).verdict == verdict


def test_a_poisson_ratio_is_told_but_not_judged():
    """It may be zero: of a ratio of 0 no relative error exists."""
    sizes = {"bulk": law_of(), "poisson": law_of()}
    item = property_item({"bulk": np.array([10.0]), "poisson": np.array([0.0])}, sizes, (100, 100))
    assert item.verdict == YES and "poisson 0 in [" in item.evidence and "0.95 confidence" in item.evidence


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
        ([[1, 0], [1]], {}, r"rows that differ"),
        (HALVES, {"law": LAW, "boundaries": ()}, r"boundaries=\(\): give a list of names"),
        (HALVES, {"law": LAW, "windows": 3}, r"windows=3: give edges"),
        (HALVES, {"law": LAW, "tolerance": "fine"}, r"tolerance='fine': give a number"),
        (HALVES, {"law": {"0": LAW[0], "1": LAW[1]}}, r"the label '0': labels are integers"),
        (HALVES[:1], {"law": LAW}, r"axes of more than one voxel"),
        (HALVES, {"law": {**LAW, 0: VOID}, "boundaries": ("uniform_traction",)}, r"boundaries=\('uniform_traction',\)"),
        (
            HALVES.astype(np.int64) * 2**40,
            {"law": {0: LAW[0], 2**40: LAW[1]}},
            r"label 1099511627776 has more than 32 bits",
        ),
        (HALVES, {"macro_length": 9.0, "time_ratio": Scale(0.1, None)}, r"time_ratio.error=None"),
        (HALVES, {"dim": 2.0}, r"dim=2.0"),
        (HALVES, {"windows": (4, 6)}, r"windows and boundaries are of the solves: give law"),
        (HALVES, {"time_ratio": 0.1}, r"time_ratio=0.1 without macro_length"),
        (HALVES, {"periodic_cell": 1}, r"periodic_cell=1: give True"),
        (HALVES, {"law": LAW, "periodic_cell": True, "windows": (4, 6)}, r"windows=\(4, 6\): a periodic cell has none"),
        (
            HALVES,
            {"law": LAW, "periodic_cell": True, "boundaries": ("affine",)},
            r"boundaries=\('affine',\): a periodic",
        ),
        (np.stack([HALVES] * 3), {"dim": 2, "periodic_cell": True}, r"periodic_cell=True and 3 images: give one"),
        (HALVES, {"phase": [0, 1]}, r"phase=\[0, 1\]: give a label"),
        (HALVES, {"progress": 3}, r"progress=3"),
        (HALVES, {"macro_length": []}, r"macro_length=\[\]: give one number or a map"),
        (HALVES, {"macro_length": -5.0}, r"macro_length=-5.0: give one number or a map of them, positive"),
        (HALVES, {"macro_length": 9.0, "time_ratio": "fast"}, r"time_ratio='fast'"),
        (laminate((24, 24), (0.5, 0.5)), {"law": 3}, r"law is a int that gives no laws"),
        (laminate((24, 24), (0.5, 0.5)), {"macro_length": "far"}, r"macro_length='far'"),
    ],
)
def test_bad_arguments(image, options, line):
    with pytest.raises(jh.InputError, match=line):
        jh.trust(image, options.pop("law", None), **options)


def test_times_are_not_judged_unless_asked():
    """Lengths alone: the answer says so, and gives no number for times; with a ratio they are part of it."""
    image = medium((64, 64), 2.0, 1, 0.5)
    item = jh.trust(image, accuracy=0.1, macro_length=1e3).value["scales"]
    assert item.verdict == YES and "of length" in item.question
    assert "(time)" not in item.evidence and "Scales of time: NOT ASKED" in item.evidence
    assert item.numbers["eps_time"] is None
    steady = jh.trust(image, accuracy=0.1, macro_length=1e3, time_ratio=0.0).value["scales"]
    assert "taken as steady" in steady.evidence and "NOT ASKED" not in steady.evidence and steady.verdict == YES
    fast = jh.trust(image, accuracy=0.1, macro_length=1e3, time_ratio=2.0).value["scales"]
    assert fast.verdict == NO and "2 (time)" in fast.evidence
