import json
import math
from dataclasses import replace

import pytest

from scalelib.propositions import (
    FAMILY_ALPHA,
    Claim,
    Expectation,
    Outcome,
    Task,
    Trial,
    propositions,
    read_records,
    tasks,
    verification,
    write_records,
)


def task(value=0.0, kind="check", expectation=Expectation.HOLDS, **outcome):
    claim = Claim("osmosis", expectation, lambda trial: Outcome(value, 0.1, **outcome), "remark")
    return Task("X-1", kind, "name", claim, Trial(5, 1e-5))


@pytest.mark.parametrize(
    ("expectation", "verdict"),
    [
        (Expectation.HOLDS, "holds"),
        (Expectation.WEAKLY, "holds weakly"),
        (Expectation.FAILS, "fails as expected"),
    ],
)
def test_the_verdict_of_a_check(expectation, verdict):
    record = task(expectation=expectation).run()
    assert (record.verdict, record.passed, record.value) == (verdict, True, 0.0)
    record = task(0.2, expectation=expectation).run()
    assert (record.verdict, record.passed) == ("failed", False)


def test_a_control_passes_by_being_rejected():
    record = task(0.2, "control").run()
    assert (record.verdict, record.passed) == ("rejected", True)
    record = task(0.0, "control").run()
    assert (record.verdict, record.passed) == ("accepted", False)


def test_what_does_not_apply_is_no_pass():
    claim = Claim("osmosis", Expectation.NOT_APPLICABLE, remark="no law")
    record = Task("X-1", "check", "", claim, Trial(0, 1e-5)).run()
    assert (record.verdict, record.passed, record.value) == ("not applicable", None, None)
    assert record.line() == "X-1, osmosis: not applicable (no law)"


@pytest.mark.parametrize("kind", ["check", "control"])
def test_a_check_that_raises_fails_and_says_why(kind):
    record = task(math.nan, kind).run()
    assert (record.verdict, record.passed) == ("failed", False)
    assert record.error == "ValueError: value must be finite, found nan"
    assert "must be finite" in record.line()


def test_a_sampled_record_states_alpha_and_power():
    record = task(count=100, detectable=0.3).run()
    assert (record.count, record.alpha, record.detectable, record.seed) == (100, 1e-5, 0.3, 5)
    assert task().run().alpha is None
    assert "n = 100, finds 0.3" in record.line()


def test_the_share_of_alpha_does_not_depend_on_the_selection():
    entries = propositions().values()
    sampled = sum(claim.sampled for entry in entries for claim in entry.claims)
    assert {t.trial.alpha for t in tasks()} == {FAMILY_ALPHA / sampled}
    assert {t.trial.alpha for t in tasks(["P-semi"])} == {FAMILY_ALPHA / sampled}


def test_seeds_differ_between_tasks_but_not_between_selections():
    everything = {(t.label, t.process, t.kind, t.name): t.trial.seed for t in tasks()}
    assert len(set(everything.values())) == len(everything)
    for t in tasks(["P-semi"], ["variance preserving"]):
        assert everything[t.label, t.process, t.kind, t.name] == t.trial.seed
    assert {t.trial.seed for t in tasks(seed=1)}.isdisjoint(everything.values())


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(ValueError, match=r"label must be one of .*P-semi"):
        list(tasks(["none"]))
    with pytest.raises(ValueError, match=r"process must be one of variance preserving, .*'none'"):
        list(tasks([], ["none"]))


def test_a_process_of_which_nothing_is_claimed_is_not_applicable(monkeypatch):
    entry = propositions()["P-semi"]
    kept = tuple(claim for claim in entry.claims if claim.process != "osmosis")
    controls = tuple(control for control in entry.controls if control.process != "osmosis")
    silent = replace(entry, claims=kept, controls=controls)
    monkeypatch.setattr(verification, "proposition", lambda label: silent)
    (found,) = tasks(["P-semi"], ["osmosis"])
    assert found.run().verdict == "not applicable"


def test_records_survive_a_file(tmp_path):
    records = [task(kind=kind).run() for kind in ("check", "control")]
    path = tmp_path / "new" / "records.json"
    write_records(path, records)
    assert read_records(path) == records
    listed = json.loads(path.read_text())
    assert {"label", "process", "kind", "verdict", "value", "tolerance"} <= set(listed[0])
    assert [file.name for file in path.parent.iterdir()] == ["records.json"]


@pytest.mark.parametrize("text", ["", "[{}]", "[1]", '{"a": 1}'])
def test_another_file_is_no_record(tmp_path, text):
    path = tmp_path / "records.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="must name a file of records"):
        read_records(path)
