"""Generators that belong to names."""

from __future__ import annotations

import torch

from scalelib import _random

LABELS = ["a#0", "a#1", "b#0"]


def test_noise_does_not_depend_on_the_company() -> None:
    together = _random.normal(LABELS, (3, 4), 0, "vp", 7)
    for k, label in enumerate(LABELS):
        assert torch.equal(together[k], _random.normal([label], (3, 4), 0, "vp", 7)[0])


def test_every_name_has_noise_of_its_own() -> None:
    draws = [
        _random.normal([label], (64,), seed, name, i)[0]
        for label in LABELS
        for seed in (0, 1)
        for name in ("vp", "ihd")
        for i in (1, 11)
    ]
    noise = torch.stack(draws)
    correlations = torch.corrcoef(noise) - torch.eye(len(noise))
    # 276 correlations of 64 numbers each: five standard deviations of 1 / 8.
    assert float(correlations.abs().max()) < 5 / 8


def test_names_are_kept_apart() -> None:
    """("ab", "c") and ("a", "bc") are different names, and so are 1, 11 and 111."""
    one, other = (
        _random.generator(0, *names).initial_seed() for names in (("ab", "c"), ("a", "bc"))
    )
    assert one != other
    seeds = {
        _random.generator(*names).initial_seed() for names in ((1, 11), (11, 1), (111,), (1, 1, 1))
    }
    assert len(seeds) == 4
