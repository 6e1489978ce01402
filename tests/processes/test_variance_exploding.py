import math
from fractions import Fraction

import pytest
import torch

from scalelib import VarianceExploding
from scalelib.schedules import geometric_sigma


def test_the_published_chain_accumulates_to_its_last_deviation():
    process = VarianceExploding(geometric_sigma(232))
    assert float(process.direct(1)[1]) == pytest.approx(1e-4, rel=1e-13)
    assert float(process.direct(232)[1]) == pytest.approx(2500, rel=1e-13)
    added = sum(float(process.coefficients(i)[1]) for i in range(1, 233))
    assert added == pytest.approx(2500, rel=1e-13)


@pytest.mark.parametrize("gap", [1e-3, 1e-9, 1e-15])
@pytest.mark.parametrize("size", [1e-100, 1.0, 1e100])
def test_close_deviations_do_not_cancel(size, gap):
    """Against exact rational arithmetic; the difference of the squares would lose 1e-16 / gap."""
    early, late = size, size * (1 + gap)
    _, variance = VarianceExploding([early, late]).direct(2, 1)
    expected = Fraction(late) ** 2 - Fraction(early) ** 2
    assert abs(Fraction(float(variance)) / expected - 1) < 1e-15


def test_the_mean_is_the_image_itself(generator):
    u = torch.randn(2, 3, 4, generator=generator)
    assert torch.equal(VarianceExploding([0.5, 50]).mean(u, 2), u)


def test_rotated_noise_gives_the_rotated_trajectory(generator):
    """P-perm for a general orthogonal matrix, to rounding."""
    u0, noise = (torch.randn(n, 1, 12, generator=generator).double() for n in (1, 2))
    rotation = torch.linalg.qr(torch.randn(12, 12, generator=generator).double())[0]
    process = VarianceExploding([0.1, 2.0, 30.0])
    found = process.trajectory(u0 @ rotation, [1, 3], noise=(noise @ rotation)[:, None])
    expected = process.trajectory(u0, [1, 3], noise=noise[:, None]) @ rotation
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        (
            [0.0, 1.0],
            r"^sigmas must hold scales 1..m, all positive; found 0 at step 1 \(scale 0 is",
        ),
        ([-0.0, 1.0], r"^sigmas must hold scales 1..m, all positive; found 0 at step 1 \(scale 0"),
        ([-1.0, 1.0], r"^sigmas must be positive, found -1\.0 at step 1$"),
        ([1, 2, 2], r"^sigmas must be strictly increasing, found 2\.0 followed by 2\.0 at step 3$"),
        ([1, 3, 2], r"^sigmas must be strictly increasing, found 3\.0 followed by 2\.0 at step 3$"),
        ([1, -3], r"^sigmas must be strictly increasing, found 1\.0 followed by -3\.0 at step 2$"),
        ([1, math.nan], r"^sigmas must be finite, found nan at step 2$"),
        ([1, math.inf], r"^sigmas must be finite, found inf at step 2$"),
    ],
)
def test_bad_sigmas_are_named_with_their_step(sigmas, message):
    with pytest.raises(ValueError, match=message):
        VarianceExploding(sigmas)
