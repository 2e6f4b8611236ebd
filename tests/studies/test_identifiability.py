"""Fisher information of known cases, in numbers and in words."""

import jax
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog import Experiment, fit, identifiability
from jaxhomog.microstructure import laminate

TRUTH = {"k1": 1.0, "k2": 4.0}


def voigt(p):
    return 0.7 * p["k1"] + 0.3 * p["k2"]


def reuss(p):
    return 1 / (0.7 / p["k1"] + 0.3 / p["k2"])


def test_voigt_alone_sees_one_combination():
    """k = (1, 4), f = 0.3, noise 0.01: eigenvalues (0.7^2 + 0.3^2) / 0.01^2 = 5800 and 0."""
    found = identifiability(Experiment(voigt, 1.9, 0.01), TRUTH)
    np.testing.assert_allclose(found.eigenvalues, [5800, 0], rtol=1e-10, atol=1e-8)
    np.testing.assert_allclose(found.directions[0], np.array([0.7, 0.3]) / np.sqrt(0.58), rtol=1e-10)
    assert not found.identified and list(np.asarray(found.seen)) == [True, False]
    assert "the data see 0.7 k1 + 0.3 k2 = 1.9 +- 0.01" in str(found)
    assert "do not see 0.7 k2 - 0.3 k1" in str(found) and "not identified: k1, k2" in str(found)
    assert np.isinf(np.diag(found.covariance)).all()


def test_reuss_sees_the_rest():
    """The eigenvalues as the reference values give them; the covariance is the inverse."""
    found = identifiability([Experiment(voigt, 1.9, 0.01), Experiment(reuss, 1.3, 0.01)], TRUTH)
    np.testing.assert_allclose(found.eigenvalues, [18821.70, 570.841], rtol=1e-6)
    np.testing.assert_allclose(found.covariance @ found.fisher, np.eye(2), rtol=0, atol=1e-10)
    assert found.identified and "do not see" not in str(found)


def test_a_laminate_is_voigt_and_reuss():
    """The same eigenvalues from the cell itself: conductivities along and across ten layers, three of them k2."""
    labels = laminate((10, 1), (0.7, 0.3))

    def model(p):
        law = jh.PhaseMixture(labels, {0: jh.LinearConduction(p["k1"]), 1: jh.LinearConduction(p["k2"])})
        return jh.homogenize(jh.Grid(labels.shape), law, tolerance=1e-12, throw=False).value.effective.diagonal()

    data = np.array([reuss(TRUTH), voigt(TRUTH)])
    assert float(labels.mean()) == pytest.approx(0.3)
    found = identifiability(Experiment(model, data, 0.01), TRUTH)
    np.testing.assert_allclose(found.eigenvalues, [18821.70, 570.841], rtol=1e-6)
    v = fit(Experiment(model, data, 0.01), {"k1": 2.0, "k2": 2.0}, bounds={"k1": "positive", "k2": "positive"}).value
    assert float(v.parameters["k1"]) == pytest.approx(1.0, rel=1e-3)
    assert float(v.parameters["k2"]) == pytest.approx(4.0, rel=1e-3)


def test_a_fit_that_is_not_identified_says_so():
    s = fit(Experiment(voigt, 1.9, 0.01), {"k1": 2.0, "k2": 2.0})
    assert voigt(s.value.parameters) == pytest.approx(1.9, abs=1e-3)
    assert np.isinf(s.value.upper["k1"]) and np.isinf(s.value.lower["k2"])
    with pytest.raises(jh.InputError, match="not identified: k1, k2"):
        s.value.sample(jax.random.key(0), 3)


def test_names_of_arrays_and_hard_seen_directions():
    found = identifiability(Experiment(lambda p: p["x"] @ np.array([1.0, 1e-3]), 1.0, 0.1), {"x": np.array([1.0, 1.0])})
    assert found.names == ("x[0]", "x[1]")
    weak = identifiability(Experiment(lambda p: p["x"] * np.array([1.0, 1e-2]), np.ones(2), 0.1), {"x": np.ones(2)})
    assert "the data hardly see 1 x[1] = 1 +- 10" in str(weak)
    with pytest.raises(jh.InputError, match="has no noise"):
        identifiability(Experiment(voigt, 1.9), TRUTH)
