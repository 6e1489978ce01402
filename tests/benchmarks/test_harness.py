"""The harness: order of the contenders, ratios, verdicts."""

import gc

import pytest

from benchmarks.harness import SAMPLE_SECONDS, Result, Settings, interleave, ratios


class Clock:
    """Time that passes only while a contender runs."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def __call__(self):
        return self.now

    def contender(self, name, seconds):
        def run():
            self.calls.append(name)
            self.now += seconds

        return run


def test_contenders_take_turns():
    clock = Clock()
    contenders = {"a": clock.contender("a", 1.0), "b": clock.contender("b", 2.0)}
    seconds = interleave(contenders, rounds=3, warm_up=False, clock=clock)
    assert clock.calls == ["a", "b"] * 3
    assert seconds == {"a": [1.0] * 3, "b": [2.0] * 3}


def test_warm_up_is_not_measured():
    clock = Clock()
    durations = iter([100.0, 1.0, 1.0, 1.0])

    def run():
        clock.now += next(durations)

    assert interleave({"a": run}, rounds=2, clock=clock) == {"a": [1.0, 1.0]}


def test_fast_contenders_are_repeated_within_a_sample():
    clock = Clock()
    contenders = {
        "fast": clock.contender("fast", SAMPLE_SECONDS / 4),
        "slow": clock.contender("slow", 1.0),
    }
    seconds = interleave(contenders, rounds=1, clock=clock)
    assert clock.calls == ["fast"] * 2 + ["slow"] * 2 + ["fast"] * 4 + ["slow"]
    assert seconds["fast"] == pytest.approx([SAMPLE_SECONDS / 4])


def test_garbage_is_not_collected_within_a_sample():
    assert gc.isenabled()
    seen = []
    interleave({"a": lambda: seen.append(gc.isenabled())}, rounds=2, warm_up=False)
    assert seen == [False, False]
    assert gc.isenabled()


def test_garbage_is_collected_again_after_an_error():
    def fail():
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        interleave({"a": fail}, rounds=1, warm_up=False)
    assert gc.isenabled()


def test_ratios_pair_the_rounds():
    # The median of the ratios (1) is not the ratio of the medians (2).
    assert ratios([4.0, 2.0, 1.0], [1.0, 2.0, 1.0]) == [4.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        ({}, None),
        ({"at_least": 2.0}, True),
        ({"at_least": 2.1}, False),
        ({"at_most": 2.0}, True),
        ({"at_most": 1.9}, False),
    ],
)
def test_the_median_decides(target, reached):
    result = Result("name", "setting", "ratio", [9.0, 2.0, 0.1], **target)
    assert result.median == 2.0
    assert result.reached is reached
    assert result.record()["reached"] is reached


def test_record_keeps_every_round():
    record = Result("name", "setting", "ratio", [3.0, 1.0], seconds={"a": [3.0, 1.0]}).record()
    assert (record["min"], record["median"], record["max"], record["rounds"]) == (1.0, 2.0, 3.0, 2)
    assert record["seconds"] == {"a": [3.0, 1.0]}
    assert record["median_seconds"] == {"a": 2.0}


def test_quick_run_takes_the_small_size():
    assert Settings(quick=True).pick(512, 96) == 96
    assert Settings().pick(512, 96) == 512
