import pytest
import torch

from scalelib.propositions.instances import (
    BLURRING,
    NAMES,
    PROCESSES,
    SHAPE,
    STEPS,
    Tampered,
    fold,
    pairs,
    process,
    relative_gap,
)


@pytest.mark.parametrize("name", PROCESSES)
def test_standard_instances_have_the_stated_size(name):
    found = process(name)
    assert found.steps == STEPS
    assert found.shape == (SHAPE if name in BLURRING else None)


def test_an_unknown_process_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"one of .*'variance preserving'.*found 'none'"):
        process("none")
    assert set(NAMES) - set(PROCESSES) == {"osmosis"}


def test_only_single_steps_are_tampered_with():
    original = process("variance exploding")
    broken = Tampered(original, lambda a, b2: (2 * a, b2))
    assert broken.coefficients(3)[0] == 2 * original.coefficients(3)[0]
    assert broken.direct(3, 1) == original.direct(3, 1)


@pytest.mark.parametrize("name", PROCESSES)
def test_folding_gives_the_direct_transition(name):
    chain = process(name)
    for found, expected in zip(fold(chain, 9, 4), chain.direct(9, 4), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_pairs_are_all_pairs():
    assert pairs(3) == [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


def test_relative_gap():
    one = torch.tensor([1.0, 0.0, 100.0])
    assert relative_gap(one, one) == 0
    assert relative_gap(one, torch.tensor([1.0, 0.0, 125.0])) == pytest.approx(0.2)
    assert relative_gap(one, torch.tensor([1.0, 1e-300, 100.0], dtype=torch.float64)) == 1
