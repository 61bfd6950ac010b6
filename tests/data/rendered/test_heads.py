"""The renderer of heads against a shaded sphere and the symmetries of space."""

import numpy as np
import pytest
from scipy import ndimage

from deconv.data.rendered import heads

SPHERE = np.array([[0.0, 0.0, 0.0, 0.8, 0.8, 0.8, 1.0]])
FRONT = (heads.POSES - 1) // 2


def render(azimuth=FRONT, elevation=FRONT, light=FRONT, identity=3, size=64):
  return heads.render_heads(np.array([[azimuth, elevation, light, identity]]), size)[0, ..., 0].astype(float)


@pytest.mark.parametrize('azimuth', [0.0, 0.9])
def test_sphere_is_shaded_by_the_cosine_of_its_normal(azimuth):
  light = heads.lamp(azimuth)
  found = heads.render_parts(SPHERE, heads.rotation(0.4, -0.3), light, 128)
  grid = ((np.arange(128) + 0.5) / 64 - 1) * heads._ZOOM
  x, y = np.meshgrid(grid, -grid)
  inside = x**2 + y**2 < 0.75**2
  z = np.sqrt(np.maximum(0.64 - x**2 - y**2, 0))
  cosine = np.maximum(light[0] * x + light[1] * y + light[2] * z, 0) / 0.8
  expected = heads._AMBIENT + (1 - heads._AMBIENT) * cosine
  assert found[inside] == pytest.approx(expected[inside], abs=0.02)
  assert found[x**2 + y**2 > 0.85**2].max() == 0


def test_the_nearer_part_hides_the_farther():
  near, far = [0.0, 0.0, 0.5, 0.2, 0.2, 0.2, 0.9], [0.0, 0.0, -0.5, 0.6, 0.6, 0.6, 0.3]
  light = np.array([0.0, 0.0, 1.0])
  for parts in ([near, far], [far, near]):
    image = heads.render_parts(np.array(parts), np.eye(3), light, 65)
    assert image[32, 32] == pytest.approx(0.9, abs=0.01)
    assert image[32, 48] < 0.31
  behind = heads.render_parts(np.array([near, far]), heads.rotation(np.pi, 0.0), light, 65)
  assert behind[32, 32] == pytest.approx(0.3, abs=0.01)


def test_silhouette_of_a_turned_ellipsoid():
  part = np.array([[0.0, 0.0, 0.0, 0.3, 0.5, 0.8, 1.0]])
  for angle in (0.0, 0.5, np.pi / 2):
    image = heads.render_parts(part, heads.rotation(angle, 0.0), np.array([0.0, 0.0, 1.0]), 256)
    columns = np.nonzero((image > 0).any(axis=0))[0]
    expected = np.hypot(0.3 * np.cos(angle), 0.8 * np.sin(angle))
    assert np.ptp(columns) * 2 * heads._ZOOM / 256 == pytest.approx(2 * expected, abs=0.03)


def test_mirrored_pose_and_light_make_the_mirrored_image():
  for azimuth, light in ((3, 25), (20, 0), (30, 15)):
    mirrored = render(azimuth=30 - azimuth, light=30 - light)[:, ::-1]
    assert np.abs(render(azimuth=azimuth, light=light) - mirrored).max() <= 1


def test_directions():
  """The eyes and the mouth are dark holes in a bright face; they go where it turns."""

  def face(image):
    return np.argwhere(ndimage.binary_fill_holes(image > 100) & (image < 100)).mean(axis=0)

  assert face(render(azimuth=22))[1] > face(render())[1] + 2 > face(render(azimuth=8))[1] + 4
  assert face(render(elevation=24))[0] < face(render())[0] - 2
  bright = render(light=28)
  assert bright[:, 32:].sum() > 1.5 * bright[:, :32].sum()


def test_every_factor_shows():
  base = render()
  for change in (dict(azimuth=16), dict(elevation=16), dict(light=16), dict(identity=4)):
    assert np.abs(render(**change) - base).mean() > 0.4
  assert angles_are([0, 0, 0, 5], [-70, -35, -80]) and angles_are([30, 15, 30, 5], [70, 0, 80])


def angles_are(row, expected):
  return heads.angles(np.array([row]))[0].tolist() == expected


def test_heads_fit_the_picture():
  rows = [[a, e, FRONT, i] for a in (0, 15, 30) for e in (0, 30) for i in range(0, 1000, 97)]
  images = heads.render_heads(np.array(rows), 32)
  assert images[:, [0, -1]].max() == 0 and images[:, :, [0, -1]].max() == 0
