"""The compiled reader against numpy and PyTorch (oracle_reading), on arbitrary maps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import smplx.lbs
import torch
from oracle_reading import HostReader
from scipy.spatial.transform import Rotation

from icl_mesh import Estimator
from icl_mesh.body import BodyModel
from icl_mesh.body.asset import load_default_body
from icl_mesh.decode.peaks import decode_maps
from icl_mesh.decode.reader import Found, Reader, on_host
from icl_mesh.engine.stage_clock import StageClock
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens
from icl_mesh.geometry.letterbox import Letterbox
from icl_mesh.geometry.view import View
from icl_mesh.network import IclMeshNetwork, InferenceMaps, build_network

CPU = torch.device("cpu")
CAMERA = Camera(580.0, 590.0, 300.5, 250.5, 640, 480)
LENSES = {
    "plumb_bob": (0.3, -0.1, 0.002, -0.001, 0.1),
    "plumb_bob that folds back in the image": (-0.6, 0.05, 0.0, 0.0),
    "rational_polynomial": (0.1, -0.2, 0.001, 0.002, 0.05, 0.02, -0.01, 0.01),
    "rational_polynomial with a thin prism": (
        *(0.1, -0.2, 0.001, 0.002, 0.05, 0.02, -0.01, 0.01),
        *(0.01, -0.02, 0.005, 0.001),
    ),
    "equidistant": (0.02, -0.03, 0.01, -0.002),
}


def bent(lens: str) -> Camera:
    coefficients = LENSES[lens]
    return dataclasses.replace(CAMERA, lens=Lens(lens.partition(" ")[0], coefficients))


BENT = bent("plumb_bob")
SIZE = 32


def network_of(architecture: str, *, lifted: bool = True) -> IclMeshNetwork:
    """Random weights; a lifter with running statistics, as after training."""
    torch.manual_seed(0)
    network = build_network(architecture, 0.125).eval()
    if lifted:
        for name, value in network.add_lifter().eval().state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif value.is_floating_point():
                value.normal_(0, 0.04)
    return network


def noisy_maps(network: IclMeshNetwork, size: int = SIZE) -> tuple[InferenceMaps, torch.Tensor]:
    """Maps with peaks everywhere, at borders too, with duplicates and equal neighbours; and the map
    of their SMPL parameters."""
    generator = torch.Generator().manual_seed(0)

    def noise(channels: int, side: int = size) -> torch.Tensor:
        return torch.randn(1, channels, side, side, generator=generator)

    joints = noise(24).sigmoid() ** 6
    features = noise(int(network.backbone.out_channels) + 2, 2 * size)  # type: ignore[arg-type]
    camera, smpl = noise(3), noise(142)
    camera[:, 1:] *= 0.5  # most of them in the image
    if (channels := network.keypoint_channels) is not None:
        found = features[:, channels.first :]
        found[:, : channels.keypoints.stop] = found[:, : channels.keypoints.stop].sigmoid() ** 4
    center = noise(1).sigmoid()
    center[0, 0, 10, 10:12], center[0, 0, 20, 20:22] = 0.999, 0.998
    for one in (camera, smpl):
        one[0, :, 10, 11] = one[0, :, 10, 10]
    center[0, 0, 0, 0] = center[0, 0, -1, -1] = 0.9999
    return InferenceMaps(center, joints, camera, noise(64), noise(64), features), smpl


def read(
    reader: Reader | HostReader,
    given: tuple[InferenceMaps, torch.Tensor],
    threshold: float = 0.99,
    camera: Camera = CAMERA,
    *,
    vertices: bool = False,
) -> Found | None:
    maps, smpl = given

    def smpl_at(image: np.ndarray, cell: np.ndarray) -> torch.Tensor:
        return smpl[image, :, cell[:, 1], cell[:, 0]]

    view = View.of(camera, 8 * maps.center_heatmap.shape[-1])
    return reader(maps, threshold, smpl_at, view, StageClock(CPU, None), vertices=vertices)


def people_of(found: Found | None) -> Found:
    assert found is not None
    return found


def near(mine: np.ndarray, other: np.ndarray, what: str, *, least: float, share: float = 0) -> None:
    """Equal within `least`, in the unit of `what`, or within this share of the value."""
    assert (mine.shape, mine.dtype) == (other.shape, np.float32), what
    np.testing.assert_allclose(mine, other, rtol=share, atol=least, err_msg=what)


def angles_deg(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Between rotation matrices [..., 3, 3], pair by pair."""
    one, other = (Rotation.from_matrix(some.reshape(-1, 3, 3)) for some in (first, second))
    return np.rad2deg((one * other.inv()).magnitude())


def equal(mine: Found, other: Found) -> None:
    """Each field in its own unit. Random maps give distances from 1 mm to 1 km, so positions have a
    relative tolerance too."""
    far = np.linalg.norm(other.translation_m, axis=1)
    near(mine.score, other.score, "score, probability", least=0)
    near(mine.joint_confidence, other.joint_confidence, "confidence, probability", least=2e-5)
    near(mine.embedding, other.embedding, "embedding, of length one", least=1e-5)
    near(mine.weak_camera[:, 0], other.weak_camera[:, 0], "scale, 1 / m", least=0, share=1e-4)
    near(mine.weak_camera[:, 1:], other.weak_camera[:, 1:], "shift, square", least=1e-4, share=1e-4)
    near(mine.betas, other.betas, "betas", least=1e-4)
    assert mine.rotations.shape == other.rotations.shape
    assert angles_deg(mine.rotations, other.rotations).max(initial=0) < 0.03  # float32's arccos
    apart = np.linalg.norm(mine.translation_m - other.translation_m, axis=1)
    assert (apart < 2e-4 + 1e-4 * far).all(), "translation, m"
    bodies = (one.joints_m - one.joints_m[:, :1] for one in (mine, other))
    apart = np.linalg.norm(np.subtract(*bodies), axis=2)
    assert (apart < 2e-4 + 1e-5 * far[:, None]).all(), "joints from the root, m"
    near(mine.center_px, other.center_px, "center, px", least=1e-3)
    near(mine.joints_px, other.joints_px, "joints, px", least=0.05, share=1e-3)
    near(mine.bbox_px, other.bbox_px, "box, px", least=0.05)
    assert (mine.vertices_m is None) == (other.vertices_m is None)
    if mine.vertices_m is not None and other.vertices_m is not None:
        apart = np.linalg.norm(mine.vertices_m - other.vertices_m, axis=2)
        assert (apart < 5e-4 + 1e-4 * far[:, None]).all(), "vertices, m"


KINDS = {
    "no lifter": lambda: network_of("mobilenet_v2", lifted=False),
    "lifter": lambda: network_of("mobilenet_v2"),
    "lifter and keypoints": lambda: network_of("movenet"),
}


@pytest.fixture(params=KINDS)
def network(request: pytest.FixtureRequest) -> IclMeshNetwork:
    return KINDS[request.param]()


@pytest.mark.parametrize("threshold", [0.2, 0.9, 0.9985])
@pytest.mark.parametrize("size", [22, 48])
def test_the_same_people_are_read(
    network: IclMeshNetwork,
    body: BodyModel,
    size: int,
    threshold: float,
) -> None:
    given = noisy_maps(network, size)
    compiled = people_of(read(Reader(network, body), given, threshold))
    reference = people_of(read(HostReader(network, body), given, threshold))
    if threshold == 0.2 and size == 48:
        assert len(reference.score) > 50  # the largest number, less the duplicates
    if network.lifter is not None:
        plain = decode_maps(
            given[0], threshold, lambda _, cell: given[1][0, :, cell[:, 1], cell[:, 0]].T
        )
        assert np.abs(plain.betas - reference.betas).max() > 0.1
    equal(compiled, reference)
    outside = reference.joint_confidence == 0
    assert outside.any() and not outside.all()


@pytest.mark.parametrize("vertices", [False, True])
@pytest.mark.parametrize(
    "camera",
    [CAMERA, Camera(300, 300, 10, 10, 50, 900), *map(bent, LENSES)],
    ids=["pinhole", "tall", *LENSES],
)
def test_they_are_placed_alike(camera: Camera, body: BodyModel, vertices: bool) -> None:
    network = network_of("movenet")
    given = noisy_maps(network)
    compiled = people_of(read(Reader(network, body), given, camera=camera, vertices=vertices))
    reader = HostReader(network, body)
    equal(compiled, people_of(read(reader, given, camera=camera, vertices=vertices)))
    assert (compiled.vertices_m is not None) == vertices


def test_a_lens_is_not_left_out(body: BodyModel) -> None:
    network = network_of("mobilenet_v2")
    reader, given = Reader(network, body), noisy_maps(network)
    bent, straight, again = (
        people_of(read(reader, given, camera=camera)) for camera in (BENT, CAMERA, BENT)
    )
    assert np.abs(bent.translation_m - straight.translation_m).max() > 0.01
    assert np.abs(bent.bbox_px - straight.bbox_px).max() > 1
    np.testing.assert_array_equal(bent.translation_m, again.translation_m)


# --- surfaces ---


def plain(body: BodyModel) -> None:
    """The default body: pose directions and weights are sparse."""


def without_poses(body: BodyModel) -> None:
    body.pose_directions = None


def dense(body: BodyModel) -> None:
    """Dense pose directions and weights, as in a licensed SMPL file."""
    generator = torch.Generator().manual_seed(1)
    shape = (207, 3 * body.vertex_count)
    body.pose_directions = 0.003 * torch.randn(shape, generator=generator)
    weights = torch.rand(body.vertex_count, 24, generator=generator)
    body.skinning_weights = weights / weights.sum(1, keepdim=True)


@pytest.mark.parametrize("change", [plain, without_poses, dense])
@pytest.mark.parametrize("threshold", [0.9995, 0.9975, 0.9])
def test_surfaces_are_those_of_torch(change: Callable[[BodyModel], None], threshold: float) -> None:
    body = BodyModel.load("default")
    change(body)
    network = network_of("mobilenet_v2", lifted=False)
    given = noisy_maps(network)
    given[0].camera[:, 0] *= 0.2  # metres away
    reader = Reader(network, body)
    compiled = people_of(read(reader, given, threshold, vertices=True))
    boxes = people_of(read(reader, given, threshold)).bbox_px
    reference = people_of(read(HostReader(network, body), given, threshold, vertices=True))
    assert compiled.vertices_m is not None and reference.vertices_m is not None
    np.testing.assert_allclose(compiled.vertices_m, reference.vertices_m, rtol=0, atol=2e-5)
    np.testing.assert_allclose(compiled.bbox_px, reference.bbox_px, rtol=0, atol=1e-2)
    np.testing.assert_allclose(compiled.bbox_px, boxes, rtol=0, atol=1e-3)


def test_meshes_are_those_of_smplx() -> None:
    """Vertices in the camera frame, against smplx's blend skinning of the same body, m."""
    body = BodyModel.load("default")
    network = network_of("mobilenet_v2", lifted=False)
    given = noisy_maps(network)
    given[0].camera[:, 0] *= 0.2  # metres away
    found = people_of(read(Reader(network, body), given, 0.9, vertices=True))
    assert found.vertices_m is not None and len(found.score) > 5
    arrays = load_default_body()
    assert arrays.pose_directions is not None
    count = len(found.score)
    regressor = np.zeros((24, len(arrays.template)), np.float32)
    sparse = arrays.joint_regressor
    np.add.at(regressor, (np.arange(24)[:, None], sparse.indices), sparse.weights)
    vertices, joints = smplx.lbs.lbs(
        torch.from_numpy(found.betas),
        torch.from_numpy(found.rotations),
        torch.from_numpy(arrays.template)[None].expand(count, -1, -1),
        torch.from_numpy(arrays.shape_directions),
        torch.from_numpy(arrays.pose_directions.reshape(-1, 207).T.copy()),
        torch.from_numpy(regressor),
        torch.tensor(body.parents),
        torch.from_numpy(arrays.skinning_weights),
        pose2rot=False,
    )
    move = found.translation_m[:, None]
    np.testing.assert_allclose(found.vertices_m, vertices.numpy() + move, rtol=0, atol=3e-5)
    np.testing.assert_allclose(found.joints_m, joints.numpy() + move, rtol=0, atol=3e-5)


@pytest.mark.parametrize("threshold", [0.9, 0.2])  # rounded down and up to float32
def test_who_just_reaches_the_threshold_is_there(threshold: float, body: BodyModel) -> None:
    network = network_of("mobilenet_v2")
    maps, smpl = noisy_maps(network)
    maps.center_heatmap.zero_()
    maps.center_heatmap[0, 0, 7, 5] = threshold
    maps.center_heatmap[0, 0, 20, 9] = float(np.nextafter(np.float32(threshold), np.float32(0)))
    compiled = people_of(read(Reader(network, body), (maps, smpl), threshold))
    equal(compiled, people_of(read(HostReader(network, body), (maps, smpl), threshold)))
    assert len(compiled.score) == 1


# --- errors, and reused memory ---


def test_who_is_found_twice_is_one_person(body: BodyModel) -> None:
    network = network_of("mobilenet_v2")
    found = people_of(read(Reader(network, body), noisy_maps(network), 0.9975))
    letterbox = Letterbox(640, 480, 8 * SIZE)
    cells = (letterbox.square_from_px(found.center_px) + 1) / 2 * SIZE - 0.5
    cells = [tuple(cell) for cell in np.rint(cells).astype(int).tolist()]
    assert (10, 10) in cells and (11, 10) not in cells  # in one pose
    assert (20, 20) in cells and (21, 20) in cells  # in two


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [Reader, HostReader])
@pytest.mark.parametrize(
    ("name", "named"),
    [
        *((one, one) for one in ("center_heatmap", "camera", "smpl", "center_instance")),
        ("joint_heatmaps", "joint_heatmaps"),
        ("joint_instance", "joint_heatmaps_and_instance"),
    ],
)
def test_maps_that_are_not_finite_are_named(
    name: str, named: str, kind: type[Reader | HostReader], value: float, body: BodyModel
) -> None:
    network = network_of("movenet")
    maps, smpl = noisy_maps(network)
    broken = smpl if name == "smpl" else getattr(maps, name)
    broken[:, 0] = value
    with pytest.raises(RuntimeError, match=rf"not finite .* in {named}"):
        read(kind(network, body), (maps, smpl), 0.9)


def test_rotations_without_a_direction_are_named(body: BodyModel) -> None:
    network = network_of("movenet")
    maps, smpl = noisy_maps(network)
    smpl[:, 6:12] = 0
    with pytest.raises(RuntimeError, match=r"not finite .* in rotations"):
        read(Reader(network, body), (maps, smpl))


def test_maps_and_bodies_of_other_shapes_are_refused(body: BodyModel) -> None:
    """The kernels would read out of bounds."""
    network = network_of("movenet")
    maps, smpl = noisy_maps(network)
    reader = Reader(network, body)
    message = r"camera must be an array float32 \[1, 3, \*, \*\], .*; got float32 \[1, 2, 32, 32\]"
    with pytest.raises(TypeError, match=message):
        read(reader, (maps._replace(camera=maps.camera[:, :2]), smpl))
    two = InferenceMaps(*(torch.cat((one, one)) for one in maps))
    with pytest.raises(TypeError, match=r"center_heatmap must be .*; got float32 \[2, 1, 32, "):
        read(reader, (two, smpl))
    with pytest.raises(ValueError, match=r"smpl_at gave \[\d+, 141\] for \d+ people"):
        read(reader, (maps, smpl[:, :141]))


def test_results_last_and_maps_are_read_anew(network: IclMeshNetwork, body: BodyModel) -> None:
    """The reader reuses its memory for every image, and engines may reuse their maps."""
    reader, (maps, smpl) = Reader(network, body), noisy_maps(network)
    first = people_of(read(reader, (maps, smpl), vertices=True))
    kept = {name: value.copy() for name, value in first._asdict().items()}
    for one in maps:
        one.copy_(one.flip(-1))  # in place
    smpl = smpl.flip(-1)
    second = people_of(read(reader, (maps, smpl), vertices=True))
    for name, value in kept.items():
        np.testing.assert_array_equal(getattr(first, name), value, err_msg=name)
    assert len(second.score) != len(first.score) or np.abs(second.betas - first.betas).max() > 0.1
    equal(second, people_of(read(Reader(network, body), (maps, smpl), vertices=True)))


@pytest.mark.parametrize("change", [torch.Tensor.double, None])
def test_maps_of_other_types_and_layouts_are_the_same(
    change: Callable[[torch.Tensor], torch.Tensor] | None, network: IclMeshNetwork, body: BodyModel
) -> None:
    def laid_out(one: torch.Tensor) -> torch.Tensor:
        return one.contiguous(memory_format=torch.channels_last)

    reader, (maps, smpl) = Reader(network, body), noisy_maps(network)
    other = InferenceMaps(*map(change or laid_out, maps))
    for _ in range(2):
        wanted = people_of(read(Reader(network, body), (maps, smpl)))
        equal(people_of(read(reader, (other, smpl))), wanted)
        for one in (*maps, *other):
            one.copy_(one.flip(-1))
        smpl = smpl.flip(-1)


class _Elsewhere(torch.Tensor):
    """A tensor that claims to be on a GPU; its operations run on the CPU."""

    device = torch.device("cuda:0")  # type: ignore[assignment]


def test_maps_of_a_device_come_in_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, _ = noisy_maps(network_of("movenet"))
    wanted = [*maps[:5], maps.features[:, 3:]]
    there = [one.contiguous(memory_format=torch.channels_last) for one in wanted]
    copies = []
    real = torch.Tensor.copy_
    monkeypatch.setattr(torch.Tensor, "copy_", lambda *args: copies.append(args) or real(*args))
    found = on_host([one.half().as_subclass(_Elsewhere) for one in there])
    assert len({here.data_ptr() for here, _ in copies}) == 1
    for one, other in zip(found, wanted, strict=True):
        assert one.is_contiguous() and one.dtype == torch.float32
        torch.testing.assert_close(torch.Tensor(one), other.half().float())


def test_nobody_is_none(body: BodyModel) -> None:
    network = network_of("movenet")
    assert read(Reader(network, body), noisy_maps(network), 1.0) is None


def test_projectors_of_other_layers_are_refused(body: BodyModel) -> None:
    network = network_of("mobilenet_v2")
    network.joint_projector = torch.nn.Sequential(torch.nn.Linear(64, 64))
    with pytest.raises(ValueError, match="joint_projector is not a projector that the compiled"):
        Reader(network, body)


# --- all together ---


def test_the_estimator_finds_the_same_people(body: BodyModel) -> None:
    network = network_of("movenet", lifted=False)
    torch.nn.init.normal_(network.add_lifter().layers[-1].bias, std=0.02)
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)

    estimator = Estimator(network, body, input_size=96, threshold=0.01)
    compiled = estimator(image, CAMERA, vertices=True)
    estimator._read = HostReader(network, body)  # type: ignore[assignment]
    reference = estimator(image, CAMERA, vertices=True)
    assert len(reference) >= 3
    assert angles_deg(compiled.rotations, reference.rotations).max() < 0.03
    for name, tolerance in {
        "score": 0, "center_px": 1e-4, "bbox_px": 0.05, "joints_m": 1e-3, "vertices_m": 1e-3,
        "joints_px": 0.05, "embedding": 1e-5, "joint_confidence": 2e-5,
    }.items():  # fmt: skip
        mine, other = getattr(compiled, name), getattr(reference, name)
        np.testing.assert_allclose(mine, other, atol=tolerance, err_msg=name)
