"""What a run of the benchmarks leaves behind."""

import json

import pytest

from benchmarks import report
from benchmarks.harness import Result


def test_json_is_written_and_replaced(tmp_path):
    path = tmp_path / "deep" / "record.json"
    for value in (1, 2):
        report.write_json(path, {"value": value})
        assert json.loads(path.read_text(encoding="utf-8")) == {"value": value}
    assert list(path.parent.iterdir()) == [path]


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "record.json"
    report.write_json(path, {"value": 1})
    with pytest.raises(TypeError):
        report.write_json(path, {"value": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"value": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_environment_fits_into_json_and_names_the_versions():
    environment = json.loads(json.dumps(report.environment()))
    assert {"date", "cpu", "cores", "threads", "torch", "numpy", "scipy", "blas"} <= set(
        environment
    )


@pytest.mark.parametrize(
    ("value", "verdict", "ending"),
    [(2.0, True, "reached"), (1.0, True, "MISSED"), (1.0, False, ">= 2")],
)
def test_line_ends_with_the_verdict(value, verdict, ending):
    row = report.line(Result("name", "setting", "ratio", [value], at_least=2.0), verdict=verdict)
    assert row.endswith(ending)
