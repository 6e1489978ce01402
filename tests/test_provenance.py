"""Records of what a figure was made from."""

import hashlib
import json
import platform
from importlib import metadata

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import scalelib
from scalelib import VariancePreserving, provenance
from scalelib.provenance import Provenance, fingerprint, read, record
from scalelib.schedules import constant_beta

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


# fingerprint


def test_fingerprint_is_the_hash_of_dtype_shape_and_bytes():
    tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    expected = hashlib.sha256(b"torch.float32 (2, 3) " + tensor.numpy().tobytes()).hexdigest()
    assert fingerprint(tensor) == expected


@pytest.mark.parametrize(
    "other",
    [
        torch.zeros(6),
        torch.zeros(3, 2),
        torch.zeros(2, 3, dtype=torch.float64),
        torch.zeros(2, 3, dtype=torch.int32),  # the same bytes
        torch.full((2, 3), -0.0),
        torch.zeros(2, 3) + torch.eye(2, 3) * 1e-30,
    ],
)
def test_fingerprint_tells_tensors_apart(other):
    assert fingerprint(other) != fingerprint(torch.zeros(2, 3))


def test_fingerprint_depends_on_values_not_on_memory():
    tensor = torch.rand(4, 5, generator=torch.Generator().manual_seed(1))
    assert fingerprint(tensor.T.contiguous().T) == fingerprint(tensor)
    assert fingerprint(torch.stack([tensor, tensor])[1]) == fingerprint(tensor)
    assert fingerprint(tensor.clone().requires_grad_()) == fingerprint(tensor)
    z = torch.complex(tensor, -tensor)
    assert fingerprint(z.conj()) == fingerprint(torch.complex(tensor, tensor))


@pytest.mark.parametrize("tensor", [torch.tensor(2.0), torch.zeros(0, 3), torch.ones(2).bfloat16()])
def test_fingerprint_takes_any_dense_tensor(tensor):
    assert len(fingerprint(tensor)) == 64


@pytest.mark.cuda
def test_fingerprint_does_not_depend_on_the_device():
    tensor = torch.arange(10.0)
    assert fingerprint(tensor.cuda()) == fingerprint(tensor)


@pytest.mark.parametrize("bad", [np.zeros(3), [0.0], torch.eye(2).to_sparse()])
def test_fingerprint_names_what_it_cannot_take(bad):
    with pytest.raises(TypeError, match="tensor must be"):
        fingerprint(bad)


# record


def test_record_holds_the_versions_in_use():
    versions = record("f").versions
    assert versions["python"] == platform.python_version()
    assert versions["scalelib"] == scalelib.__version__
    for name in ("torch", "numpy", "scipy", "matplotlib", "pillow"):
        assert versions[name] == metadata.version(name)


def test_record_names_functions_methods_and_classes():
    process = VariancePreserving(constant_beta(4))
    assert record(constant_beta).function == "scalelib.schedules.constant_beta"
    assert record(process.sample).function.endswith("VariancePreserving.sample")
    assert record(VariancePreserving).function.endswith("VariancePreserving")
    assert record(process.sample.__func__).function.endswith(".sample")


def test_record_keeps_parameters_as_json_would():
    tensor = torch.arange(3)
    made = record("f", a=(1, 2), b=torch.tensor(0.5), c=tensor, d=np.float64(2), e=np.int64(3))
    assert made.parameters == {
        "a": [1, 2],
        "b": 0.5,
        "c": f"sha256:{fingerprint(tensor)}",
        "d": 2.0,
        "e": 3,
    }


def test_record_keeps_fingerprints_of_the_data():
    cat = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    made = record("f", seed=7, data={"cat": cat})
    assert (made.seed, made.data) == (7, {"cat": fingerprint(cat)})


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=4), st.none() | st.integers(0, 2**63))
def test_json_round_trip(parameters, seed):
    one = Provenance("module.function", parameters, seed, {"u": "0" * 64}, {"torch": "2"})
    assert Provenance.from_json(one.to_json()) == one
    assert "\n" not in one.to_json()
    assert one.to_json().isascii()


def test_json_does_not_depend_on_the_order_of_parameters():
    one, other = Provenance("f", {"a": 1, "b": 2}), Provenance("f", {"b": 2, "a": 1})
    assert one.to_json() == other.to_json()


def test_records_differ_when_anything_differs():
    one = Provenance("f", {"a": 1}, 0, {"u": "0" * 64}, {"torch": "2"})
    others = [
        Provenance("g", {"a": 1}, 0, {"u": "0" * 64}, {"torch": "2"}),
        Provenance("f", {"a": 2}, 0, {"u": "0" * 64}, {"torch": "2"}),
        Provenance("f", {"a": 1}, None, {"u": "0" * 64}, {"torch": "2"}),
        Provenance("f", {"a": 1}, 0, {"u": "1" * 64}, {"torch": "2"}),
        Provenance("f", {"a": 1}, 0, {"u": "0" * 64}, {"torch": "3"}),
    ]
    assert all(one != other for other in others)


def test_a_record_cannot_be_changed():
    given_parameters = {"a": 1}
    one = Provenance("f", given_parameters)
    given_parameters["a"] = 2
    assert one.parameters["a"] == 1
    with pytest.raises(TypeError):
        one.parameters["a"] = 3
    with pytest.raises(AttributeError):
        one.function = "g"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: record(3), TypeError, "function must be a name or callable, found 3"),
        (lambda: record(""), TypeError, "function must be a non-empty string"),
        (lambda: record("f", seed=-1), ValueError, "seed must be at least 0, found -1"),
        (lambda: record("f", seed=0.5), TypeError, "seed must be an integer, found 0.5"),
        (lambda: record("f", data={"u": [0]}), TypeError, "tensor must be a torch.Tensor"),
        (lambda: record("f", x=[1, float("nan")]), ValueError, r"parameters\['x'\]\[1\] must be f"),
        (lambda: record("f", x=torch.tensor(float("inf"))), ValueError, "must be finite"),
        (
            lambda: record("f", x=object()),
            TypeError,
            r"parameters\['x'\] must be a .* found object",
        ),
        (lambda: Provenance("f", data={"u": "abc"}), ValueError, r"data\['u'\] must be a SHA-256"),
        (lambda: Provenance.from_json("{"), ValueError, "text must be the JSON of a record"),
        (lambda: Provenance.from_json("[]"), ValueError, "must hold the keys .* found list"),
        (lambda: Provenance.from_json('{"function": "f"}'), ValueError, r"found \['function'\]"),
    ],
)
def test_bad_records_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", ["function", "parameters", "data", "versions"])
def test_json_of_another_type_is_named(name):
    fields = json.loads(record("f").to_json()) | {name: 3}
    with pytest.raises(ValueError, match=f"{name} must be a (str|dict), found 3"):
        Provenance.from_json(json.dumps(fields))


# read


def test_read_takes_the_record_out_of_a_png(tmp_path):
    one = record("f", seed=3, data={"u": torch.zeros(2)})
    text = PngInfo()
    text.add_text(provenance.PNG_KEY, one.to_json())
    Image.new("L", (2, 2)).save(tmp_path / "a.png", pnginfo=text)
    assert read(tmp_path / "a.png") == one
    assert read(str(tmp_path / "a.png")) == one


def test_files_without_a_record_are_named(tmp_path):
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    for name in ("a.png", "a.svg"):
        with pytest.raises(ValueError, match=f"with a record, found none in '{name}'"):
            read(tmp_path / name)
    with pytest.raises(ValueError, match=r"path must end in .png or .svg, found 'a.jpg'"):
        read(tmp_path / "a.jpg")
