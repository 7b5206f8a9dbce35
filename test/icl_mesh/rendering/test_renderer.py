"""The renderer against the pinhole camera: pixels, depths, instances, light."""

from __future__ import annotations

import numpy as np
import pytest

from icl_mesh.geometry.camera import Camera
from icl_mesh.rendering import (
    Lighting,
    Material,
    NormalOperator,
    Renderer,
    RenderingUnavailableError,
    RenderMesh,
)

FLAT = (Material(tint=(1.0, 1.0, 1.0), lit=0.0),)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


def rectangle(
    camera: Camera, box_px: tuple[float, float, float, float], depth: float, instance: int = 1
) -> RenderMesh:
    """A rectangle whose image is box_px (x0, y0, x1, y1), at one depth."""
    x0, y0, x1, y1 = box_px
    px = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    xy = (px - [camera.cx, camera.cy]) / [camera.fx, camera.fy] * depth
    vertices = np.column_stack((xy, np.full(4, depth))).astype(np.float32)
    normals = np.tile(np.array([[0, 0, -1]], np.float32), (4, 1))
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return RenderMesh(vertices, faces, normals, instance, FLAT)


CAMERAS = [
    Camera(300, 300, 31.5, 23.5, 64, 48),
    Camera(90, 120, 10.25, 40.7, 61, 47),
]


@pytest.mark.parametrize("camera", CAMERAS)
def test_pixels_are_covered_exactly_where_their_centres_are(
    renderer: Renderer, camera: Camera
) -> None:
    # edges between pixel centres: columns 7..30 and rows 5..20 are inside, no others
    box = (6.6, 4.7, 30.4, 20.2)
    drawn, _ = renderer.render([rectangle(camera, box, 3.0)], camera, maps=True)
    expected = np.zeros((camera.height, camera.width), bool)
    expected[5:21, 7:31] = True
    assert drawn.instance is not None and drawn.depth is not None
    np.testing.assert_array_equal(drawn.instance == 1, expected)
    np.testing.assert_allclose(drawn.depth[expected], 3.0, rtol=1e-6)


def test_multisampled_edge_has_the_share_of_the_pixel(renderer: Renderer) -> None:
    camera = CAMERAS[0]
    # the right edge lies in the centre of pixel 30, which spans [29.5, 30.5]
    drawn, _ = renderer.render([rectangle(camera, (6.5, 4.5, 30.0, 20.5), 2.0)], camera)
    row = drawn.image[10, :, 0].astype(int)
    assert row[6] == 0 and row[7] == 255 and row[29] == 255 and row[31] == 0
    assert 64 <= row[30] <= 191


def test_the_nearer_mesh_hides_the_farther(renderer: Renderer) -> None:
    camera = CAMERAS[0]
    near = rectangle(camera, (10, 10, 30, 30), 1.0, instance=2)
    far = rectangle(camera, (0, 0, 60, 40), 4.0, instance=1)
    drawn, _ = renderer.render([near, far], camera, maps=True)
    assert drawn.instance is not None
    assert drawn.instance[20, 20] == 2 and drawn.instance[5, 5] == 1


def test_background_pixels_are_unchanged(renderer: Renderer) -> None:
    camera = CAMERAS[1]
    image = np.random.default_rng(0).integers(0, 256, (47, 61, 3), dtype=np.uint8)
    drawn, _ = renderer.render([], camera, background=image)
    np.testing.assert_array_equal(drawn.image, image)


def test_tiles_measure_the_whole_silhouette(renderer: Renderer) -> None:
    camera = CAMERAS[0]
    # two thirds of the first rectangle lie outside the image, the second is hidden
    meshes = [
        rectangle(camera, (-40.0, 4.0, 20.0, 24.0), 2.0, instance=1),
        rectangle(camera, (-10.0, 4.0, 10.0, 14.0), 3.0, instance=2),
    ]
    _, tiles = renderer.render(meshes, camera, tile_ids=(1, 2), tile_size=100)
    assert tiles is not None
    area = (tiles.depth > 0).sum(axis=(1, 2)) * tiles.px_per_cell.prod(axis=1)
    np.testing.assert_allclose(area, [60 * 20, 20 * 10], rtol=1e-3)
    assert tiles.depth[0].max() == pytest.approx(2.0) and tiles.depth[1].max() == pytest.approx(3)


def test_light_from_above_lights_upper_faces(renderer: Renderer) -> None:
    camera = Camera(100, 100, 31.5, 31.5, 64, 64)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rings = [(0.5 * np.sin(p), 0.5 * np.cos(p)) for p in np.linspace(-1.5, 1.5, 12)]
    vertices = np.array(
        [[r * np.cos(a), h, 2 + r * np.sin(a)] for h, r in rings for a in angles], np.float32
    )
    quads = [(i * 24 + j, i * 24 + (j + 1) % 24, 24) for i in range(11) for j in range(24)]
    faces = np.array(
        [(b, a, a + up) for a, b, up in quads] + [(b, a + up, b + up) for a, b, up in quads],
        np.int32,
    )
    normals = NormalOperator(faces, len(vertices))(vertices)
    outward = np.sum(normals * (vertices - [0, 0, 2]), axis=1)
    assert (outward > 0.45).all()  # a sphere's normals are its radii
    lighting = Lighting(directions=((0, -1, -0.3),), colors=((1.0, 1.0, 1.0),))
    drawn, _ = renderer.render([RenderMesh(vertices, faces, normals, 1)], camera, lighting)
    column = drawn.image[:, 32, 0].astype(int)
    assert column[15] > column[45] + 60


def test_texture_has_its_first_row_at_v_zero() -> None:
    texture = np.zeros((1, 8, 8, 3), np.uint8)
    texture[0, :4] = (255, 0, 0)
    texture[0, 4:] = (0, 0, 255)
    camera = CAMERAS[0]
    mesh = rectangle(camera, (0, 0, 40, 40), 1.0)
    mesh.uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    mesh.materials = (Material(layer=0, tint=(1, 1, 1), lit=0.0),)
    drawn, _ = Renderer(texture).render([mesh], camera)
    assert tuple(drawn.image[8, 20]) == (255, 0, 0) and tuple(drawn.image[32, 20]) == (0, 0, 255)


def test_cutout_materials_cut_image_and_maps() -> None:
    """A texture whose left half is transparent, as strands (slot 5) and with cutout off."""
    textures = np.full((2, 16, 16, 4), 255, np.uint8)
    textures[1, :, :8, 3] = 0
    camera = CAMERAS[0]
    mesh = rectangle(camera, (7.5, 3.5, 39.5, 35.5), 2.0)
    mesh.uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    mesh.coverage = np.full((4, 4), -1, np.float32)
    mesh.coverage[:, 3] = 2
    for cutout, first in ((True, 24), (False, 8)):
        strands = Material(1, (1.0, 1.0, 1.0), lit=0.0, cutout=cutout)
        mesh.materials = (*[Material(tint=(0, 0, 0), lit=0.0)] * 5, strands)
        with Renderer(textures, samples=0) as own:
            drawn, tiles = own.render([mesh], camera, maps=True, tile_ids=(1,))
        expected = np.zeros((48, 64), bool)
        expected[4:36, first:40] = True
        assert drawn.instance is not None and tiles is not None
        np.testing.assert_array_equal(drawn.instance == 1, expected)
        np.testing.assert_array_equal(drawn.image.max(axis=2) == 255, expected)
        assert (tiles.depth[0] > 0).mean() == pytest.approx(0.5 if cutout else 1.0, abs=0.05)


def test_bad_input_is_named(renderer: Renderer) -> None:
    camera = CAMERAS[0]
    with pytest.raises(ValueError, match="background must be RGB of 48x64x3"):
        renderer.render([], camera, background=np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match=r"instance id must lie in \[0, 255\], got 300"):
        rectangle(camera, (0, 0, 1, 1), 1.0, instance=300)
    with pytest.raises(ValueError, match="at most 3 lights"):
        Lighting(directions=((0, 0, -1),), colors=())
    behind = rectangle(camera, (0, 0, 10, 10), -1.0)
    with pytest.raises(ValueError, match="instance 1 reaches behind the camera"):
        renderer.render([behind], camera, tile_ids=(1,))


def test_missing_egl_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OSError("libEGL.so not loaded")

    monkeypatch.setattr("moderngl.create_context", fail)
    with pytest.raises(RenderingUnavailableError, match=r"libEGL.*apt install libegl1 libgl1-mesa"):
        Renderer()
