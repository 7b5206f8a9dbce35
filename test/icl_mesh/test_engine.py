"""Engines give the maps of PyTorch in float32; what does not fit is one clear error."""

import json
import logging

import numpy as np
import pytest
import torch

from icl_mesh.engine import create_engine, device, installed_engines, parse_engine, spec
from icl_mesh.engine.cache import cache_folder, network_key
from icl_mesh.engine.choose import choose_engine, map_difference
from icl_mesh.engine.host_patches import PatchCutter, cut_on_host, empty_patches
from icl_mesh.engine.onnx_model import export_onnx, people_path
from icl_mesh.engine.onnxruntime_engine import OnnxRuntimeEngine
from icl_mesh.estimator import Estimator
from icl_mesh.network import InferenceMaps, build_network
from icl_mesh.network.patches import cut_patches
from icl_mesh.weights import save_weights

SIZE = 64


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_network("mobilenet_v2", head_width=0.125)
    for module in network.modules():  # statistics as after training, which engines fold away
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    torch.nn.init.normal_(network.smpl_branch.merge[-1].weight, std=0.5)
    return network.eval()


@pytest.fixture
def places():
    """Images and cells (x, y) of seven people in three images: corners, edges, middle."""
    image = np.array([0, 2, 1, 1, 0, 2, 0])
    cell = np.array([[0, 0], [7, 0], [0, 7], [7, 7], [3, 0], [4, 5], [6, 2]])
    return image, cell


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ICL_MESH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def images():
    return torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_engines_agree_with_torch_for_any_batch(network, images, name, cache) -> None:
    pytest.importorskip(name)
    pytest.importorskip("onnx")
    with torch.inference_mode():
        expected = network.inference_maps(images)
    engine = create_engine(name, network, "cpu", SIZE)
    assert engine.name == f"{name}:f32" and engine.device == torch.device("cpu")
    for batch in (1, 3):
        maps = engine(images[:batch])
        assert maps._fields == InferenceMaps._fields
        for found, wanted in zip(maps, expected, strict=True):
            scale = max(1.0, float(wanted.abs().max()))
            torch.testing.assert_close(found / scale, wanted[:batch] / scale, rtol=0, atol=2e-5)
    # channels last, as preprocessing leaves images
    again = engine(images.contiguous(memory_format=torch.channels_last))
    assert map_difference(again, expected) < 2e-5
    assert sorted(path.suffix for path in cache.iterdir()) == [".onnx", ".onnx"]  # both steps


@pytest.mark.parametrize("name", ["torch", "onnxruntime", "openvino"])
def test_bodies_at_cells_are_those_of_the_dense_map(network, images, places, name) -> None:
    pytest.importorskip(name)
    pytest.importorskip("onnx")
    image, cell = places
    with torch.inference_mode():
        wanted = network(images).smpl[image, :, cell[:, 1], cell[:, 0]]
    engine = create_engine(name, network, "cpu", SIZE)
    maps = engine(images)
    image, cell = np.concatenate((image, image)), np.concatenate((cell, cell))
    wanted = torch.cat((wanted, wanted))
    for count in (0, 1, 3, 14):  # 14: in two parts, in one of the engines
        found = engine.smpl_at(maps, image[:count], cell[:count])
        assert found.shape == (count, 142) and found.dtype == torch.float32
        torch.testing.assert_close(found, wanted[:count], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_patches_on_the_host_are_those_of_the_network(
    network, images, places, without_library, kernels, layout
) -> None:
    if not kernels:
        without_library()
    with torch.inference_mode():
        maps = network.inference_maps(images)
    maps = maps._replace(features=maps.features.contiguous(memory_format=layout))
    for count in (0, 1, 3, 7):
        image, cell = (one[:count] for one in places)
        features, *others = cut_patches(maps, torch.from_numpy(image), torch.from_numpy(cell))
        wanted = (features.permute(0, 2, 3, 1), *others)
        for one, other in zip(cut_on_host(maps, image, cell), wanted, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kernels", [True, False])
def test_patches_do_not_keep_what_was_there(network, without_library, kernels) -> None:
    """The same memory for everyone, in the middle of a map and at its borders; and a map so small
    that every patch sticks out of all its sides."""
    if not kernels:
        without_library()
    for size in (160, 32):
        with torch.inference_mode():
            maps = network.inference_maps(torch.randn(2, 3, size, size))
        last = size // 8 - 1
        cell = np.array(
            [[last // 2, last // 2], [0, 0], [last, 1], [last // 2, last], [last, last]]
        )
        image = np.array([1, 0, 1, 0, 1])
        room = empty_patches(2, maps.features.shape[1])
        cut = PatchCutter(maps, image, cell, room)
        for first, count in ((0, 2), (2, 2), (4, 1), (0, 1)):
            for one in room:
                one[count:] = 7  # not theirs
            cut(first, count)
            people = slice(first, first + count)
            wanted = cut_on_host(maps, image[people], cell[people])
            near = cut_patches(maps, torch.from_numpy(image), torch.from_numpy(cell)).features
            np.testing.assert_array_equal(wanted[0], near[people].permute(0, 2, 3, 1))
            for one, other in zip(room, wanted, strict=True):
                np.testing.assert_array_equal(one[:count], other)
                assert not kernels or (one[count:] == 7).all()


def test_patches_of_an_image_that_is_not_there(network, images) -> None:
    with torch.inference_mode():
        maps = network.inference_maps(images)
    with pytest.raises(IndexError, match=r"images \[0, 3\] of a batch of 3"):
        cut_on_host(maps, np.array([0, 3]), np.array([[1, 1], [2, 2]]))


def test_what_openvino_gave_lasts(network, images, places) -> None:
    """Maps until the next call, bodies for good; each call has its own images."""
    pytest.importorskip("openvino")
    image, cell = places
    engine = create_engine("openvino", network, "cpu", SIZE)
    maps = engine(images)
    kept = [one.clone() for one in maps]
    bodies = engine.smpl_at(maps, image, cell)
    again = bodies.clone()
    engine.smpl_at(maps, image[::-1].copy(), cell[::-1].copy())
    assert torch.equal(bodies, again)
    assert all(torch.equal(one, other) for one, other in zip(maps, kept, strict=True))
    for row in (2, 0, 1):
        alone = engine(images[row : row + 1])
        assert all(torch.equal(one[0], other[row]) for one, other in zip(alone, kept, strict=True))
    assert engine(images[:0]).features.shape == (0, *kept[-1].shape[1:])


def test_bodies_in_lower_precision(network, images, places) -> None:
    image, cell = places
    exact, rough = (create_engine(name, network) for name in ("torch", "torch:bf16"))
    wanted = exact.smpl_at(exact(images), image, cell)
    found = rough.smpl_at(rough(images), image, cell)
    assert found.dtype == torch.float32
    assert 1e-4 < map_difference([found], [wanted]) < 0.25


def test_the_converted_network_is_kept_and_read_again(network, images, monkeypatch) -> None:
    pytest.importorskip("openvino")
    first = create_engine("openvino", network, "cpu", SIZE)(images)
    monkeypatch.setattr("icl_mesh.engine.onnx_model._export", None)  # must not be needed
    again = create_engine("openvino", network, "cpu", SIZE)(images)
    assert map_difference(again, first) == 0
    other = build_network("mobilenet_v2", head_width=0.125).eval()
    assert network_key(other) != network_key(network)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        create_engine("openvino", other, "cpu", SIZE)


def test_a_cache_that_cannot_be_written_costs_time_only(
    network, images, monkeypatch, tmp_path, caplog
) -> None:
    pytest.importorskip("openvino")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ICL_MESH_CACHE", str(tmp_path / "file" / "cache"))
    create_engine("openvino", network, "cpu", SIZE)(images)
    assert "cannot write to the cache folder" in caplog.text
    assert "set ICL_MESH_CACHE to a folder that can be written" in caplog.text


def test_where_the_cache_lies(monkeypatch, tmp_path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("ICL_MESH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(cache_folder()) == "/somewhere/icl_mesh"


def test_lower_precision_is_only_what_is_asked_for(network, images) -> None:
    with torch.inference_mode():
        expected = network.inference_maps(images)
    assert map_difference(create_engine("torch", network)(images), expected) < 1e-5
    engine = create_engine("torch:bf16", network)
    maps = engine(images)
    assert engine.name == "torch:bf16"
    assert all(values.dtype == torch.float32 for values in maps)
    assert 1e-4 < map_difference(maps, expected) < 0.25
    # Weights cast once are the weights that autocast makes of the network's own on every call.
    assert network.center_branch[-1].weight.dtype == torch.float32
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert map_difference(maps, network.inference_maps(images)) == 0


@pytest.mark.parametrize(
    ("name", "on", "error"),
    [
        ("onnx", "cpu", "engine must be auto or one of torch, .*; got 'onnx'"),
        ("torch:int8", "cpu", r"with a precision \(f32, bf16, f16\).*; got 'torch:int8'"),
        ("torch:", "cpu", "got 'torch:'"),
        ("torch:f16", "cpu", "engine 'torch' on cpu has precision f32 and bf16, not f16"),
        ("openvino", "cuda", "engine 'openvino' runs on cpu, not on cuda"),
        ("auto:f16", "cpu", "no engine has precision f16 on cpu"),
    ],
)
def test_engines_that_do_not_fit(network, monkeypatch, name, on, error) -> None:
    monkeypatch.setattr(spec, "is_installed", lambda engine: True)
    with pytest.raises(ValueError, match=error):
        create_engine(name, network, on)


def test_an_engine_that_is_not_installed(network, monkeypatch) -> None:
    monkeypatch.setitem(spec._PACKAGES, "tensorrt", (("no_such_package",), "pip install tensorrt"))
    assert "tensorrt" not in installed_engines() and "torch" in installed_engines()
    with pytest.raises(
        ValueError,
        match=r"engine 'tensorrt' is not installed \(missing: no_such_package\): pip install "
        r"tensorrt, or choose one that is here \(torch",
    ):
        create_engine("tensorrt", network, "cuda")


def test_a_missing_engine_stops_before_weights_are_read() -> None:
    with pytest.raises(ValueError, match="got 'fast'"):
        Estimator.load("/no/such/file", engine="fast")


class _Fake:
    """An engine with maps and bodies that are off by `errors` and `steps` as the time of each."""

    def __init__(self, network, errors, steps, clock):
        self.network, self.errors, self.steps, self.clock = network, errors, steps, clock

    def __call__(self, images):
        self.clock[0] += self.steps[0]
        with torch.inference_mode():
            maps = self.network.inference_maps(images)
        return maps._replace(camera=maps.camera + self.errors[0])

    def smpl_at(self, maps, image, cell):
        self.clock[0] += self.steps[1]
        with torch.inference_mode():
            smpl = self.network.smpl_at(maps, torch.from_numpy(image), torch.from_numpy(cell))
        return smpl + self.errors[1]


@pytest.fixture
def choose(network, monkeypatch):
    """({name: (errors, times)}, each of both steps) -> name of the chosen engine, and how many were
    built."""
    clock = [0.0]
    monkeypatch.setattr("icl_mesh.engine.choose.time.perf_counter", lambda: clock[0])

    def run(engines):
        monkeypatch.setattr(
            "icl_mesh.engine.choose.candidates",
            lambda precision, kind: [spec.EngineSpec(name, precision) for name in engines],
        )
        built = []

        def make(chosen):
            built.append(chosen.name)
            errors, steps = engines[chosen.name]
            if errors is None:
                raise LookupError("its library is broken")  # whatever it may throw
            fake = _Fake(network, errors, steps, clock)
            fake.spec = chosen.name
            return fake

        chosen = choose_engine(network, torch.device("cpu"), "f32", SIZE, make)
        return chosen.spec, len(built)

    return run


@pytest.mark.parametrize("errors", [(1.0, 0.0), (0.0, 1.0)])
def test_auto_takes_the_fastest_that_agrees_and_remembers_it(choose, caplog, cache, errors) -> None:
    engines = {
        "torch": ((0, 0), (3.0, 2.0)),
        "onnxruntime": ((1e-4, 1e-4), (2.0, 1.0)),
        "openvino": (errors, (1.0, 0.0)),  # fast and wrong
        "tensorrt": (None, (1.0, 0.0)),  # does not start
    }
    with caplog.at_level(logging.WARNING):
        assert choose(engines) == ("onnxruntime", 5)
    assert "engine openvino:f32 is left out: its maps differ from torch:f32 by" in caplog.text
    assert "engine tensorrt:f32 is left out: its library is broken" in caplog.text
    assert choose(engines) == ("onnxruntime", 1)  # from the record
    (record,) = cache.glob("engine-*.json")
    assert json.loads(record.read_text())["engine"] == "onnxruntime"
    # Damaged, or of an engine that is not here: chosen anew.
    for text in ("{}", '{"engine": "abacus", "precision": "f32"}'):
        record.write_text(text)
        assert choose(engines) == ("onnxruntime", 5)


def test_auto_counts_the_time_of_both_steps(choose) -> None:
    exact = (0, 0)
    assert choose({"torch": (exact, (1.0, 3.0)), "openvino": (exact, (2.0, 1.0))})[0] == "openvino"


def test_auto_with_torch_alone(choose) -> None:
    assert choose({"torch": ((0, 0), (1.0, 1.0))}) == ("torch", 1)


def test_maps_that_are_not_finite_never_agree(network, images) -> None:
    with torch.inference_mode():
        maps = network.inference_maps(images)
    broken = maps._replace(features=torch.full_like(maps.features, torch.nan))
    assert map_difference(broken, maps) == float("inf")


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


def _in_words(text):
    """As the libraries raise them: ONNX Runtime's own types derive from Exception alone."""
    return type("RuntimeException", (Exception,), {})(text)


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported elsewhere"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    _in_words(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while "
        "running Conv node. BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate "
        "memory for requested buffer of size 33554432"
    ),
    _in_words("CUDA failure 2: out of memory ; GPU=0"),
    RuntimeError("TensorRT: out of memory on cuda:0 for the network's activations"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: str(error)[:30])
@pytest.mark.parametrize("moment", ["load", "run"])
def test_a_gpu_without_memory(caplog, error, moment) -> None:
    class Hungry:
        def __init__(self, device):
            self.device = device
            if moment == "load":
                self.fail()

        def __call__(self, image):
            self.fail()

        def fail(self):
            if self.device.type == "cuda":
                raise error

    gpu = torch.device("cuda:0")
    chosen = device.on_gpu_or_cpu(Hungry, gpu, may_fall_back=True)
    assert chosen.device.type == "cpu"
    said = str(error).splitlines()[0]
    assert f"cuda:0 has too little free memory for the network ({said}): the CPU" in caplog.text
    with pytest.raises(ValueError, match=r"too little free memory .* or use device cpu"):
        device.on_gpu_or_cpu(Hungry, gpu, may_fall_back=False)


def test_other_errors_of_a_gpu_are_not_taken_for_a_lack_of_memory() -> None:
    def make(on):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        device.on_gpu_or_cpu(make, torch.device("cuda:0"), may_fall_back=True)


class _Session:
    """Stands in for onnxruntime's session on a GPU whose memory ends when it is made, or run."""

    fails_at = "load"

    def __init__(self, model, options, providers):
        self.providers = [name for name, _ in providers]
        self.fail("load")

    def fail(self, moment):
        if self.fails_at == moment:
            raise NO_MEMORY[3]

    def get_providers(self):
        return self.providers

    def io_binding(self):
        self.fail("run")
        raise AssertionError("nothing more is needed of it")


@pytest.mark.parametrize("moment", ["load", "run"])
def test_onnxruntime_on_a_gpu_without_memory(network, monkeypatch, caplog, moment) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(_Session, "fails_at", moment)
    real = onnxruntime.InferenceSession

    def session(model, options, providers):
        kind = _Session if providers[0][0].startswith("CUDA") else real
        return kind(model, options, providers=providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    # The second step is torch's, which may be built without CUDA here.
    monkeypatch.setattr("icl_mesh.engine.onnxruntime_engine.EagerPeople", lambda *_: None)
    models = export_onnx(network, SIZE)

    class Model:
        def __init__(self, on):
            self.engine = OnnxRuntimeEngine(models, network, on)

        def __call__(self, image):
            self.engine(torch.zeros(1, 3, SIZE, SIZE))

    chosen = device.on_gpu_or_cpu(Model, torch.device("cuda:0"), may_fall_back=True)
    assert chosen.engine.device.type == "cpu"
    assert "Failed to allocate memory for requested buffer" in caplog.text
    with pytest.raises(ValueError, match=r"cuda:0 has too little free memory .* or use device cpu"):
        device.on_gpu_or_cpu(Model, torch.device("cuda:0"), may_fall_back=False)


def test_names(network) -> None:
    assert parse_engine("openvino") == ("openvino", "f32")
    assert str(parse_engine("auto:bf16")) == "auto:bf16"
