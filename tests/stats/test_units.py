from decimal import Decimal

import pytest

from asyncload.stats import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (4e-7, "0.400 µs"),
        (12.34e-6, "12.3 µs"),
        (999.4e-6, "999 µs"),
        (999.6e-6, "1.00 ms"),
        (0.0123456, "12.3 ms"),
        (0.9996, "1.00 s"),
        (1.005, "1.00 s"),
        (99.96, "100 s"),
        (999.6, "16.7 min"),
        (7200, "120 min"),
        (86_400, "24.0 h"),
    ],
)
def test_a_time_has_three_significant_digits_and_a_fitting_unit(value, text):
    assert units.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0:00"), (75.9, "1:15"), (3723, "1:02:03"), (-2, "0:00")]
)
def test_a_moment_is_written_as_a_clock(value, text):
    assert units.clock(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (999.6, "1.00 kB"), (1_234_567, "1.23 MB"), (4.2e13, "42.0 TB")],
)
def test_an_amount_takes_a_decimal_prefix(value, text):
    assert units.amount(value, "B") == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 %"), (0.0084, "0.840 %"), (0.5, "50.0 %"), (1, "100 %")]
)
def test_a_share_is_written_in_percent(value, text):
    assert units.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00 USD"),
        (1234.567, "1,234.57 USD"),
        (1, "1.00 USD"),
        (0.9996, "1.00 USD"),
        (0.9994, "0.999 USD"),
        (Decimal("0.000405"), "0.000405 USD"),
        (Decimal("4E-8"), "0.0000000400 USD"),
        (-0.5, "-0.500 USD"),
        (Decimal(-12), "-12.00 USD"),
    ],
)
def test_money_has_hundredths_and_below_one_three_significant_digits(value, text):
    assert units.money(value, "USD") == text
