import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from scalelib import _check

# Numbers


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        Fraction(1, 2),
        np.float32(0.5),
        np.float64(0.5),
        np.array(0.5),
        torch.tensor(0.5),
        torch.tensor(0.5, requires_grad=True),
    ],
)
def test_numbers_of_any_kind_become_floats(value):
    found = _check.number("x", value)
    assert (type(found), found) == (float, 0.5)
    assert _check.non_negative("x", value) == 0.5


@pytest.mark.parametrize("value", [3, np.int8(3), torch.tensor(3), np.array(3)])
def test_integers_are_numbers_too(value):
    assert _check.number("x", value) == 3.0
    found = _check.integer("x", value, low=3, high=3)
    assert (type(found), found) == (int, 3)


NOT_NUMBERS = [
    True,
    np.True_,
    torch.tensor(True),
    np.array(True),
    "0.5",
    b"0.5",
    np.str_("0.5"),
    None,
    0.5j,
    np.complex128(0.5),
    torch.tensor(0.5 + 0j),
    [0.5],
    np.array([0.5]),
    torch.tensor([0.5]),
    torch.tensor([0.5, 0.6]),
    Decimal("0.5"),
    object(),
]


@pytest.mark.parametrize("check", [_check.number, _check.non_negative])
@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
def test_what_is_no_number_is_shown(check, value):
    with pytest.raises(TypeError, match=r"^x must be a real number, found \S"):
        check("x", value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, torch.tensor(math.nan)])
def test_numbers_must_be_finite(value):
    for check in (_check.number, _check.non_negative):
        with pytest.raises(ValueError, match=r"^x must be finite and in \(-inf, inf\), found "):
            check("x", value)


@pytest.mark.parametrize("value", [1, 2, 0.5, 2.5])
def test_intervals_are_open(value):
    with pytest.raises(ValueError, match=rf"^x must be finite and in \(1, 2\), found {value}$"):
        _check.number("x", value, low=1, high=2)
    assert _check.number("x", 1.5, low=1, high=2) == 1.5


def test_zero_is_not_negative():
    assert _check.non_negative("x", 0) == 0
    assert _check.non_negative("x", 5e-324) == 5e-324
    with pytest.raises(ValueError, match=r"^x must not be negative, found -5e-324$"):
        _check.non_negative("x", -5e-324)


# Integers


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.False_,
        torch.tensor(True),
        2.0,
        np.float64(2),
        torch.tensor(2.0),
        torch.tensor([2]),
        np.array([2]),
        "2",
        b"2",
        None,
        2 + 0j,
        Fraction(2),
        [2],
    ],
    ids=repr,
)
def test_what_is_no_integer_is_shown(value):
    with pytest.raises(TypeError, match=r"^x must be an integer, found \S"):
        _check.integer("x", value, low=0)


def test_the_range_of_an_integer_is_stated():
    with pytest.raises(ValueError, match=r"^x must be at least 2, found 1$"):
        _check.integer("x", 1, low=2)
    for value in (1, 6):
        with pytest.raises(ValueError, match=rf"^x must be between 2 and 5, found {value}$"):
            _check.integer("x", value, low=2, high=5)
    assert [_check.integer("x", value, low=2, high=5) for value in (2, 5)] == [2, 5]


@pytest.mark.parametrize(
    "values", [[1, 4], (1, 4), range(1, 5, 3), np.array([1, 4]), torch.tensor([1, 4]), iter([1, 4])]
)
def test_increasing_integers(values):
    found = _check.increasing_integers("x", values, low=1, high=4)
    assert found == [1, 4]
    assert all(type(i) is int for i in found)


def test_increasing_integers_are_named_by_position():
    for values, error, message in (
        ([1, 5], ValueError, r"^x\[1\] must be between 1 and 4, found 5$"),
        ([1, 2.0], TypeError, r"^x\[1\] must be an integer, found 2\.0$"),
        ([2, 2], ValueError, r"^x must be strictly increasing, found \[2, 2\]$"),
        ([3, 2], ValueError, r"^x must be strictly increasing, found \[3, 2\]$"),
        ([1, 3, 2], ValueError, r"^x must be strictly increasing, found \[1, 3, 2\]$"),
        ([], ValueError, r"^x must hold at least one integer, found none$"),
        (3, TypeError, r"^x must be a sequence of integers, found int$"),
    ):
        with pytest.raises(error, match=message):
            _check.increasing_integers("x", values, low=1, high=4)


def test_a_way_back_starts_at_the_last_scale_unless_told():
    assert _check.way_back(range(2, -1, -1), None, 5) == (5, [2, 1, 0])
    assert _check.way_back([0], 3, 5) == (3, [0])


@pytest.mark.parametrize(
    ("scales", "start", "message"),
    [
        ([2, 2], None, r"^scales must be strictly decreasing, found \[2, 2\]$"),
        ([3], 3, r"^scales\[0\] must be between 0 and 2, found 3$"),
        ([], None, "^scales must hold at least one integer, found none$"),
        ([0], 6, "^start must be between 1 and 5, found 6$"),
    ],
)
def test_a_way_back_leads_down_from_its_start(scales, start, message):
    with pytest.raises(ValueError, match=message):
        _check.way_back(scales, start, 5)


# Shapes


@pytest.mark.parametrize(
    "shape", [(2, 3), [2, 3], torch.Size([2, 3]), (np.int64(2), torch.tensor(3))]
)
def test_shapes_become_pairs(shape):
    assert _check.image_shape("x", shape) == (2, 3)


@pytest.mark.parametrize(
    "shape",
    [5, None, (), (2,), (1, 2, 3), "23", b"23", np.array([2, 3]), torch.tensor([2, 3]), {2, 3}],
)
def test_what_is_no_pair_is_shown(shape):
    with pytest.raises(ValueError, match=r"^x must be a pair \(H, W\), found \S"):
        _check.image_shape("x", shape)


def test_sizes_are_named_by_axis():
    for shape, error, message in (
        ((0, 3), ValueError, r"^x\[0\] must be at least 1, found 0$"),
        ((3, -1), ValueError, r"^x\[1\] must be at least 1, found -1$"),
        ((2.0, 3), TypeError, r"^x\[0\] must be an integer, found 2\.0$"),
        ((2, True), TypeError, r"^x\[1\] must be an integer, found True$"),
        ((2, "3"), TypeError, r"^x\[1\] must be an integer, found '3'$"),
    ):
        with pytest.raises(error, match=message):
            _check.image_shape("x", shape)


# Schedules


frozen = np.array([1.0, 2.0])
frozen.flags.writeable = False
SCHEDULES = [
    [1, 2],
    (1.0, 2.0),
    range(1, 3),
    [Fraction(1).numerator, np.float32(2)],
    np.array([1, 2], dtype=np.uint8),
    np.array([1, 2], dtype=np.float16),
    np.array([2.0, 1.0])[::-1],
    np.array([1.0, 9.0, 2.0])[::2],
    frozen,
    torch.tensor([1, 2]),
    torch.tensor([1.0, 2.0]),
    torch.tensor([1.0, 2.0], requires_grad=True),
    torch.tensor([1.0, 9.0, 2.0])[::2],
    [torch.tensor(1.0), torch.tensor(2.0)],
]


@pytest.mark.parametrize("check", [_check.schedule, _check.increasing_schedule])
@pytest.mark.parametrize("values", SCHEDULES, ids=repr)
def test_schedules_become_float64_vectors(check, values):
    found = check("x", values)
    assert (found.dtype, found.device.type, found.shape) == (torch.float64, "cpu", (2,))
    assert found.tolist() == [1, 2]
    assert not found.requires_grad


@pytest.mark.parametrize(
    "values", [np.array([1.0, 2.0]), torch.tensor([1.0, 2.0], dtype=torch.float64)], ids=repr
)
def test_schedules_are_copies(values):
    found = _check.schedule("x", values)
    values[0] = 9
    assert found.tolist() == [1, 2]


@pytest.mark.parametrize(
    "values",
    [
        "0.1",
        b"0.1",
        ["0.1", "0.2"],
        [0.1, "0.2"],
        np.array(["0.1"]),
        [True, False],
        np.array([True]),
        torch.tensor([True]),
        [0.1j],
        np.array([0.1j]),
        torch.tensor([0.1 + 0j]),
        torch.tensor([0.1]).to_sparse(),
        None,
        [None],
        {0.1, 0.2},
        {0.1: 0.2},
        [[0.1], [0.2, 0.3]],
        np.array([object()]),
        [10**400],
        (x for x in [0.1]),
    ],
    ids=repr,
)
def test_what_is_no_schedule_is_shown(values):
    with pytest.raises(TypeError, match=r"^x must be a sequence of real numbers, found \S"):
        _check.schedule("x", values)


def test_the_message_about_a_long_schedule_is_short():
    with pytest.raises(TypeError) as caught:
        _check.schedule("x", ["0.1"] * 10_000)
    assert len(str(caught.value)) < 200


def test_the_shape_and_the_step_are_stated():
    for values, message in (
        ([], r"^x must have shape \(m,\) with m >= 1, found \(0,\)$"),
        (0.5, r"^x must have shape \(m,\) with m >= 1, found \(\)$"),
        (torch.tensor(0.5), r"^x must have shape \(m,\) with m >= 1, found \(\)$"),
        ([[0.5, 1]], r"^x must have shape \(m,\) with m >= 1, found \(1, 2\)$"),
        ([1, math.nan, 2], r"^x must be finite, found nan at step 2$"),
        ([1, 2, math.inf], r"^x must be finite, found inf at step 3$"),
        ([-math.inf], r"^x must be finite, found -inf at step 1$"),
    ):
        for check in (_check.schedule, _check.increasing_schedule):
            with pytest.raises(ValueError, match=message):
                check("x", values)


def test_increasing_schedules_are_positive_and_rise():
    for values, message in (
        (
            [0, 1],
            r"^x must hold scales 1..m, all positive; found 0 at step 1 \(scale 0 is the image",
        ),
        ([-1, 1], r"^x must be positive, found -1\.0 at step 1$"),
        ([1, 1], r"^x must be strictly increasing, found 1\.0 followed by 1\.0 at step 2$"),
        ([1, 3, 2], r"^x must be strictly increasing, found 3\.0 followed by 2\.0 at step 3$"),
    ):
        with pytest.raises(ValueError, match=message):
            _check.increasing_schedule("x", values)
    assert _check.increasing_schedule("x", [5e-324, 1e-323]).tolist() == [5e-324, 1e-323]


def test_schedules_must_match_in_length():
    _check.same_length("x", torch.ones(2), "y", torch.ones(2))
    with pytest.raises(ValueError, match=r"^x must have as many scales as y, found 2 and 3$"):
        _check.same_length("x", torch.ones(2), "y", torch.ones(3))


# Images


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_tensors_pass_and_are_returned(dtype):
    largest = torch.finfo(dtype).max
    for u in (torch.zeros((), dtype=dtype), torch.full((4, 4), largest, dtype=dtype)):
        assert _check.floating("x", u) is u
    mixed = torch.tensor([[largest, largest], [-largest, -largest]], dtype=dtype)
    assert _check.image("x", mixed, (2, 2)) is mixed


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_not_finite_values_are_counted(bad):
    u = torch.zeros(3, 4)
    u[1, 2] = u[2, 3] = bad
    with pytest.raises(ValueError, match=r"^x must be finite, found 2 NaN or infinite values$"):
        _check.floating("x", u)
    u[0] = 3e38  # finite, but the sum overflows
    with pytest.raises(ValueError, match=r"^x must be finite, found 2 NaN or infinite values$"):
        _check.floating("x", u)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (1.0, TypeError, r"^x must be a torch\.Tensor, found float$"),
        (np.ones(3), TypeError, r"^x must be a torch\.Tensor, found ndarray$"),
        (torch.ones(3).long(), TypeError, r"^x must be float32 or float64, found torch\.int64$"),
        (torch.ones(3).bool(), TypeError, r"^x must be float32 or float64, found torch\.bool$"),
        (torch.ones(3).half(), TypeError, r"^x must be float32 or float64, found torch\.float16$"),
        (
            torch.ones(3).cfloat(),
            TypeError,
            r"^x must be float32 or float64, found torch\.complex64",
        ),
        (
            torch.ones(3).to_sparse(),
            TypeError,
            r"^x must be a dense tensor, found layout torch\.spa",
        ),
        (torch.ones(3, 0), ValueError, r"^x must not be empty, found shape \(3, 0\)$"),
    ],
)
def test_what_is_no_floating_point_tensor_is_named(bad, error, message):
    with pytest.raises(error, match=message):
        _check.floating("x", bad)


def test_the_expected_image_size_is_stated():
    with pytest.raises(ValueError, match=r"^x must have shape \(\.\.\., C, H, W\), found \(3,\)$"):
        _check.image("x", torch.ones(3))
    message = r"^x must have shape \(\.\.\., C, 2, 3\), found \(1, 3, 2\)$"
    with pytest.raises(ValueError, match=message):
        _check.image("x", torch.ones(1, 3, 2), (2, 3))


def test_noise_must_be_like_the_image():
    u = torch.zeros(2, 3)
    good = torch.ones(4, 2, 3)
    assert _check.like("x", good, u, (4, 2, 3)) is good
    for bad, error, message in (
        (torch.ones(2, 3), ValueError, r"^x must have shape \(4, 2, 3\), found \(2, 3\)$"),
        (
            good.double(),
            TypeError,
            r"^x must have the image's dtype torch\.float32, found torch\.flo",
        ),
        (good * math.nan, ValueError, r"^x must be finite, found 24 NaN or infinite values$"),
        ("noise", TypeError, r"^x must be a torch\.Tensor, found str$"),
    ):
        with pytest.raises(error, match=message):
            _check.like("x", bad, u, (4, 2, 3))


def test_devices_must_match():
    """The device called ``meta`` stands for any other."""
    elsewhere = torch.zeros(2, 3, device="meta")
    with pytest.raises(ValueError, match=r"^x must be on the image's device meta, found cpu$"):
        _check.like("x", torch.zeros(2, 3), elsewhere, (2, 3))
    with pytest.raises(
        ValueError, match=r"^generator must be on the image's device meta, found cpu"
    ):
        _check.one_noise_source(torch.Generator(), None, elsewhere)


def test_exactly_one_source_of_noise():
    u, rng = torch.zeros(2, 3), torch.Generator()
    _check.one_noise_source(rng, None, u)
    _check.one_noise_source(None, u, u)
    for generator, noise, found in ((None, None, "neither"), (rng, u, "both")):
        message = rf"^exactly one of generator and noise must be given, found {found}$"
        with pytest.raises(ValueError, match=message):
            _check.one_noise_source(generator, noise, u)
    for bad in (0, "seed", np.random.default_rng(0)):
        with pytest.raises(TypeError, match=r"^generator must be a torch\.Generator, found "):
            _check.one_noise_source(bad, None, u)
