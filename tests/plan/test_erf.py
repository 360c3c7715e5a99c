import math

import numpy as np
import pytest

from asyncload.plan.erf import erf_and_erfc

POINTS = np.concatenate(
    [
        np.linspace(0.0, 7.0, 20_001),
        np.logspace(-300, 0, 601),
        np.linspace(7.0, 26.0, 1001),
        np.nextafter([0.46875, 0.46875, 4.0, 4.0], [0.0, 1.0, 0.0, 5.0]),
        [0.46875, 4.0],
    ]
)


def test_erf_is_that_of_the_standard_library():
    error, _ = erf_and_erfc(POINTS)
    expected = np.array([math.erf(x) for x in POINTS])
    np.testing.assert_allclose(error, expected, rtol=1e-15, atol=0)


def test_erfc_keeps_its_relative_precision_far_into_the_tail():
    _, complement = erf_and_erfc(POINTS)
    expected = np.array([math.erfc(x) for x in POINTS])
    np.testing.assert_allclose(complement, expected, rtol=2e-15, atol=0)


def test_erf_of_huge_and_infinite_arguments_is_one_without_a_warning():
    error, complement = erf_and_erfc(np.array([40.0, 1e300, math.inf]))
    assert error.tolist() == [1.0, 1.0, 1.0]
    assert complement.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_erf_keeps_the_shape_of_its_argument(shape):
    error, complement = erf_and_erfc(np.full(shape, 0.1))
    assert error.shape == complement.shape == shape
