"""Weights files: round trips, and refusal of other files."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from icl_mesh import weights as weights_module
from icl_mesh.io import atomic as files_module
from icl_mesh.network import build_network
from icl_mesh.network.refinement import Refinement
from icl_mesh.weights import default_weights_path, load_weights, save_weights

METADATA = {"input_size": 256, "body": "test body"}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("mobilenet_v2", head_width=0.25)


@pytest.fixture
def saved(network, tmp_path):
    path = tmp_path / "net.safetensors"
    save_weights(path, network, METADATA)
    return path


def resaved(path, *, drop=(), metadata=None, **tensors):
    """The file again with other tensors or metadata, as a foreign tool would write it."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        text = file.metadata()
    kept = {key: value for key, value in load_file(path).items() if key not in drop}
    save_file({**kept, **tensors}, path, metadata={**text, **(metadata or {})})


def test_weights_come_back_exactly_and_ready_to_use(network, saved) -> None:
    loaded, metadata = load_weights(saved)
    assert not loaded.training
    assert loaded.config == network.config
    expected = network.state_dict()
    assert set(loaded.state_dict()) == set(expected)
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, expected[key]), key
    assert metadata["input_size"] == 256
    assert metadata["threshold"] == 0.2
    assert metadata["licence"] == "not stated"


def test_a_wider_smpl_branch_and_files_from_before_there_was_one(tmp_path) -> None:
    wide = build_network("mobilenet_v2", head_width=0.25, smpl_width=0.5)
    path = tmp_path / "wide.safetensors"
    save_weights(path, wide, {"input_size": 256, "body": "default"})
    loaded, metadata = load_weights(path)
    assert loaded.smpl_width == metadata["smpl_width"] == 0.5

    narrow = build_network("mobilenet_v2", head_width=0.25)
    metadata = {"format": "icl_mesh", "format_version": "1", "architecture": "mobilenet_v2"}
    metadata |= {"head_width": "0.25", "input_size": "256", "body": "x", "name": "old"}
    metadata |= {"threshold": "0.2", "data": "", "metrics": "{}", "git_revision": "", "licence": ""}
    save_file(dict(narrow.state_dict()), path, metadata=metadata)
    loaded, _ = load_weights(path)
    assert loaded.smpl_width == 0.25


def test_all_metadata_come_back_with_their_types(network, tmp_path) -> None:
    path = tmp_path / "net.safetensors"
    given = {
        "name": "small",
        "input_size": 384,
        "body": "other",
        "threshold": 0.25,
        "data": "5 scenes",
        "metrics": {"f1": 0.5},
        "git_revision": "abc",
        "licence": "Apache-2.0",
    }
    save_weights(path, network, given)
    _, metadata = load_weights(path)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    tensors = content[8 + int.from_bytes(content[:8], "little") :]
    assert metadata == {
        **given,
        "sha256": hashlib.sha256(tensors).hexdigest(),
        "architecture": "mobilenet_v2",
        "head_width": 0.25,
        "smpl_width": 0.25,
        "refined_threshold": 0.25,
        "format_version": 1,
        "weights_version": f"small-{digest[:12]}",
    }


def test_loaded_metadata_can_be_saved_again(network, saved, tmp_path) -> None:
    _, metadata = load_weights(saved)
    again = tmp_path / "again.safetensors"
    save_weights(again, network, metadata)
    assert load_weights(again)[1] == metadata  # the same bytes, so the same version too


def test_a_flipped_bit_is_noticed(saved) -> None:
    content = bytearray(saved.read_bytes())
    content[-1000] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ValueError, match=r"net\.safetensors: damaged: .* SHA-256"):
        load_weights(saved)


def test_half_size_weights_load_as_float32_within_half_precision(network, tmp_path) -> None:
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    save_weights(full, network, METADATA)
    save_weights(half, network, METADATA, half=True)
    assert half.stat().st_size < 0.56 * full.stat().st_size
    loaded, _ = load_weights(half)
    for key, value in network.state_dict().items():
        back = loaded.state_dict()[key]
        assert back.dtype == value.dtype
        if "running" in key or key.endswith("bias"):
            assert torch.equal(back, value), key  # statistics are not rounded
        torch.testing.assert_close(back, value, rtol=2**-11, atol=2**-25)


def test_a_failed_write_leaves_the_old_file_and_no_other(network, saved, monkeypatch) -> None:
    before = saved.read_bytes()

    def full_disk(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(files_module.os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save_weights(saved, network, METADATA)
    assert saved.read_bytes() == before
    assert [item.name for item in saved.parent.iterdir()] == [saved.name]


def test_metadata_without_body_or_with_a_typing_error_are_refused(network, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"missing: \['body'\], unknown: \['treshold'\]"):
        save_weights(tmp_path / "a.safetensors", network, {"input_size": 256, "treshold": 0.3})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_size": 250}, "input_size must be a positive multiple of 32, got 250"),
        ({"input_size": "big"}, "input_size must be a number, got 'big'"),
        ({"threshold": 0.0}, r"threshold must lie in \(0, 1\], got 0.0"),
        ({"name": "a/b"}, "name must be letters, digits"),
    ],
)
def test_metadata_that_would_not_load_are_not_written(network, tmp_path, change, message) -> None:
    with pytest.raises(ValueError, match=message):
        save_weights(tmp_path / "a.safetensors", network, {**METADATA, **change})
    assert not list(tmp_path.iterdir())


def test_missing_file(tmp_path) -> None:
    path = tmp_path / "none.safetensors"
    with pytest.raises(FileNotFoundError, match=f"{path}: no such weights file"):
        load_weights(path)


def test_missing_default_weights(monkeypatch, tmp_path) -> None:
    assert default_weights_path().parts[-3:] == (
        "icl_mesh",
        "assets",
        "default_weights.safetensors",
    )
    monkeypatch.setattr(weights_module, "default_weights_path", lambda: tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="default weights are missing from this install"):
        load_weights("default")


@pytest.mark.parametrize("content", [b"", b"hello, I am no weights file", b"\x80\x02}q\x00."])
def test_file_that_is_not_safetensors(tmp_path, content) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path}: weights must be a safetensors file"):
        load_weights(path)


def test_a_pickle_is_not_executed(tmp_path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"a": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=f"{path}: weights must be a safetensors file"):
        load_weights(path)


def test_safetensors_of_another_program(tmp_path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=f"{path}: not a weights file of icl_mesh"):
        load_weights(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format_version": "2"}, "weights of format version 2, this version .* reads version 1"),
        ({"architecture": "vgg"}, "metadata are wrong: architecture 'vgg' is unknown; known are"),
        ({"head_width": "wide"}, "metadata are wrong: head_width must be a number, got 'wide'"),
        ({"metrics": "{"}, "metadata are wrong: metrics must be JSON"),
    ],
)
def test_foreign_metadata(saved, metadata, message) -> None:
    resaved(saved, metadata=metadata)
    with pytest.raises(ValueError, match=f"{saved}: .*{message}"):
        load_weights(saved)


def test_tensors_of_another_network(network, saved) -> None:
    names = sorted(network.state_dict())
    resaved(saved, drop=names[:2], extra=torch.zeros(2), **{names[5]: torch.zeros(1, 2, 3)})
    with pytest.raises(ValueError) as error:
        load_weights(saved)
    text = str(error.value)
    assert text.startswith(f"{saved}: 4 tensors do not fit the architecture")
    assert f"{names[0]} is missing" in text
    assert "extra does not belong" in text


def test_shapes_reveal_a_wrong_width(saved) -> None:
    resaved(saved, metadata={"head_width": "0.5"})
    with pytest.raises(ValueError, match=r"tensors do not fit .* has shape \[.*\] instead of \["):
        load_weights(saved)


def test_metadata_are_readable_text(saved) -> None:
    header_length = int(np.frombuffer(saved.read_bytes()[:8], "<u8")[0])
    header = json.loads(saved.read_bytes()[8 : 8 + header_length])["__metadata__"]
    assert header["format"] == "icl_mesh"
    assert header["architecture"] == "mobilenet_v2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_size": "8192"}, "input_size must be at most 2048, got 8192"),
        ({"input_size": "9" * 5000}, "input_size must be a number, got '999"),
        ({"head_width": "1e9"}, "head_width must lie between 0.125 and 2.0, got 1000000000.0"),
        ({"smpl_width": "nan"}, "smpl_width must lie between 0.125 and 2.0, got nan"),
        ({"metrics": "[" * 100_000}, "metrics must be JSON: maximum recursion depth"),
        ({"name": "a" * 101}, "name must be letters, digits and ._.- only, at most 100"),
    ],
)
def test_metadata_beyond_all_bounds(saved, change, message) -> None:
    resaved(saved, metadata=change)
    with pytest.raises(ValueError, match=f"{saved}: weights metadata are wrong: {message}"):
        load_weights(saved)


def test_the_checksums_cover_the_metadata_and_old_files_still_load(saved) -> None:
    for key, value in {"threshold": "0.9", "input_size": "512", "licence": "none"}.items():
        content = saved.read_bytes()
        resaved(saved, metadata={key: value})
        with pytest.raises(ValueError, match=r"damaged: its header does not have the SHA-256"):
            load_weights(saved)
        saved.write_bytes(content)
    from safetensors import safe_open

    with safe_open(saved, framework="pt") as file:
        text = file.metadata()
    del text["header_sha256"]  # as written before there was one
    save_file(load_file(saved), saved, metadata=text | {"threshold": "0.3"})
    assert load_weights(saved)[1]["threshold"] == 0.3


def test_integers_in_place_of_weights(network, saved) -> None:
    name = next(key for key, value in network.state_dict().items() if value.is_floating_point())
    value = network.state_dict()[name]
    resaved(saved, **{name: value.to(torch.int32)})
    with pytest.raises(ValueError, match=f"1 tensors do not fit .* {name} holds torch.int32"):
        load_weights(saved)


def test_a_file_too_large_for_weights(tmp_path) -> None:
    path = tmp_path / "endless.safetensors"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(ValueError, match=r"1099511627776 bytes are no weights file, which has at"):
        load_weights(path)


def test_weights_of_before_have_one_threshold_and_no_refinement(tmp_path: Path) -> None:
    network = build_network("mobilenet_v2", head_width=0.25)
    path = tmp_path / "old.safetensors"
    save_weights(path, network, {"input_size": 64, "body": "default", "threshold": 0.3})
    loaded, metadata = load_weights(path)
    assert metadata["refined_threshold"] == 0.3
    assert loaded.refinement is None


def test_refinement_is_stored(tmp_path: Path) -> None:
    network = build_network("mobilenet_v2", head_width=0.25)
    network.refinement = Refinement()
    network.refinement.gate.copy_(torch.arange(8.0))
    path = tmp_path / "new.safetensors"
    metadata = {"input_size": 64, "body": "default", "refined_threshold": 0.2}
    save_weights(path, network, metadata, half=True)
    loaded, metadata = load_weights(path)
    assert loaded.refinement is not None
    assert loaded.refinement.gate.tolist() == list(range(8))
    assert metadata["refined_threshold"] == 0.2


def test_a_refinement_of_another_size_is_refused(tmp_path: Path) -> None:
    network = build_network("mobilenet_v2", head_width=0.25)
    network.refinement = Refinement()
    network.refinement.precision = torch.eye(78)
    path = tmp_path / "odd.safetensors"
    save_weights(path, network, {"input_size": 64, "body": "default"})
    with pytest.raises(ValueError, match=r"refinement\.precision"):
        load_weights(path)
