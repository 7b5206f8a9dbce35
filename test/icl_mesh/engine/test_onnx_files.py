"""The exported network is cached, or stored next to its weights, and checked against them."""

import pytest

from icl_mesh.engine import create_engine
from icl_mesh.engine.cache import cache_folder, network_key
from icl_mesh.engine.choose import map_difference
from icl_mesh.engine.onnx_model import export_onnx, people_path
from icl_mesh.estimator import Estimator
from icl_mesh.network import build_network
from icl_mesh.weights import save_weights

SIZE = 64  # of the fixture images


@pytest.mark.slow
def test_the_converted_network_is_kept_and_read_again(network, images, monkeypatch) -> None:
    pytest.importorskip("openvino")
    first = create_engine("openvino", network, "cpu", SIZE)(images)
    monkeypatch.setattr("icl_mesh.engine.onnx_model.export_step", None)  # must not be needed
    again = create_engine("openvino", network, "cpu", SIZE)(images)
    assert map_difference(again, first) == 0
    other = build_network("mobilenet_v2", head_width=0.125).eval()
    assert network_key(other) != network_key(network)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        create_engine("openvino", other, "cpu", SIZE)


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_costs_time_only(
    network, images, monkeypatch, tmp_path, caplog
) -> None:
    pytest.importorskip("openvino")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ICL_MESH_CACHE", str(tmp_path / "file" / "cache"))
    create_engine("openvino", network, "cpu", SIZE)(images)
    assert "cannot write to the cache folder" in caplog.text
    assert "set ICL_MESH_CACHE to a folder that can be written" in caplog.text


def test_the_folder_of_the_cache(monkeypatch, tmp_path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("ICL_MESH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(cache_folder()) == "/somewhere/icl_mesh"


@pytest.mark.slow
def test_an_onnx_file_beside_the_weights(network, tmp_path, images) -> None:
    pytest.importorskip("openvino")
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "net.safetensors"
    save_weights(path, network, {"input_size": SIZE, "body": "icl_default_body"})
    beside = path.with_suffix(".onnx")
    second = people_path(beside)
    assert second == tmp_path / "net.people.onnx"

    def write(of, size=SIZE):
        for file, data in zip((beside, second), export_onnx(of, size), strict=True):
            file.write_bytes(data)

    def refused(message):
        with pytest.raises(ValueError, match=message):
            Estimator.load(path, device="cpu", engine="openvino")

    write(network)
    assert Estimator.load(path, device="cpu", engine="openvino").engine.name == "openvino:f32"
    assert not cache_folder().exists()  # the files were enough

    other = build_network("mobilenet_v2", head_width=0.125).eval()
    second.write_bytes(export_onnx(other, SIZE).people)
    refused(r"net\.people\.onnx holds another network, not the weights beside it in version")
    write(other)
    refused(r"net\.onnx holds another network, not the weights beside it at input size 64 in ver")
    write(network, 128)
    refused(r"net\.onnx holds input size 128, .* at input size 64")
    write(network)
    old = onnx.load_from_string(beside.read_bytes())
    (version,) = [entry for entry in old.metadata_props if "version" in entry.key]
    old.metadata_props.remove(version)  # as written before there were versions
    onnx.save(old, beside)
    refused(r"net\.onnx holds an export of version 1, .* write it again with `icl-mesh export`")
    beside.write_bytes(b"no model")
    refused(r"net\.onnx: not an ONNX file, or broken|another network")


@pytest.mark.slow
def test_a_flipped_bit_in_an_onnx_file_beside_the_weights_is_noticed(
    network, tmp_path, images
) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("onnx")
    path = tmp_path / "net.safetensors"
    save_weights(path, network, {"input_size": SIZE, "body": "icl_default_body"})
    beside = path.with_suffix(".onnx")
    for file, data in zip((beside, people_path(beside)), export_onnx(network, SIZE), strict=True):
        file.write_bytes(data)
    damaged = bytearray(beside.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    beside.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"net\.onnx: (damaged: .*SHA-256|not an ONNX file)"):
        Estimator.load(path, device="cpu", engine="openvino")
