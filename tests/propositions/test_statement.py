import math

import pytest
import torch

from scalelib.propositions import Claim, Control, Expectation, Outcome, Proposition, Topic, Trial


def holds(trial):
    return Outcome(0.0, 0.0)


def entry(**changes):
    given = {
        "label": "X-1",
        "title": "Title",
        "source": "Our addition.",
        "statement": "Statement.",
        "topic": Topic.READING,
        "chapter": "page",
        "anchors": ("prop-x",),
        "claims": (Claim("osmosis", Expectation.HOLDS, holds),),
        "controls": (Control("broken", "osmosis", holds),),
        "functions": ("scalelib.Osmosis",),
    }
    return Proposition(**{**given, **changes})


@pytest.mark.parametrize(
    ("value", "expected", "tolerance", "accepted"),
    [(0.0, 0.0, 0.0, True), (1.0, 1.1, 0.11, True), (1.0, 1.1, 0.09, False), (-1.0, 0, 0.5, False)],
)
def test_an_outcome_is_accepted_near_what_is_expected(value, expected, tolerance, accepted):
    assert Outcome(value, tolerance, expected).accepted is accepted


@pytest.mark.parametrize("field", ["value", "tolerance", "expected"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_of_an_outcome_are_finite(field, bad):
    with pytest.raises(ValueError, match=f"{field} must be finite"):
        Outcome(**{"value": 0.0, "tolerance": 0.0, "expected": 0.0, field: bad})


@pytest.mark.parametrize("one", [{"count": 10}, {"detectable": 0.1}])
def test_a_sampled_outcome_states_its_power(one):
    with pytest.raises(ValueError, match="count and detectable"):
        Outcome(0.0, 0.0, **one)


def test_a_trial_gives_the_same_stream_each_time():
    trial = Trial(3, 1e-4)
    first, second = (torch.randn(3, generator=trial.generator()) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.randn(3, generator=Trial(4, 1e-4).generator()))


def test_a_check_is_given_exactly_where_the_proposition_applies():
    with pytest.raises(ValueError, match="'holds' with check None for 'osmosis'"):
        Claim("osmosis", Expectation.HOLDS)
    with pytest.raises(ValueError, match="'not applicable' with check"):
        Claim("osmosis", Expectation.NOT_APPLICABLE, holds)


def test_a_proposition_needs_a_negative_control():
    with pytest.raises(ValueError, match="X-1 must have a negative control, found none"):
        entry(controls=())


def test_claims_and_controls_are_named_once():
    claim, control = Claim("osmosis", Expectation.HOLDS, holds), Control("b", "osmosis", holds)
    with pytest.raises(ValueError, match="each claim once"):
        entry(claims=(claim, claim))
    with pytest.raises(ValueError, match="each control once"):
        entry(controls=(control, control))
    sampled = Claim("osmosis", Expectation.HOLDS, holds, aspect="samples")
    assert len(entry(claims=(claim, sampled)).claims) == 2
