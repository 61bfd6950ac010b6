"""Degradations: their statistics, their order, their seeds, and what each means elsewhere."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from deconv.data.transforms.degrade import degrade, draw_hole, gaussian_blur
from deconv.errors import UserError
from deconv.ops import resample
from deconv.options import DegradeOptions, defaults
from deconv.options.degrade import DOWN, HOLES

run = jax.jit(degrade, static_argnums=2)


def keys(number, seed=0):
  return jax.random.split(jax.random.key(seed), number)


def images(number=2, side=16, channels=3, seed=3):
  return jax.random.uniform(jax.random.key(seed), (number, side, side, channels), minval=-0.9, maxval=0.9)


EVERYTHING = DegradeOptions(
  scale=2,
  grey=True,
  blur_sigma=0.7,
  noise_sigma=5,
  noise_sigma_max=20,
  poisson_peak=30,
  salt_pepper=0.02,
  levels='rounded',
  jpeg_quality=40,
  jpeg_quality_max=90,
  hole='box',
)


def test_defaults_do_nothing():
  assert 'degrade' not in defaults('gan') and 'degrade' in defaults('restoration')  # only for tasks that read it
  x = images()
  result = degrade(x, keys(2), DegradeOptions())
  np.testing.assert_array_equal(result['input'], x)
  assert result['hole'] is None
  np.testing.assert_array_equal(result['sigma'], [0, 0])


def test_an_image_is_degraded_by_its_own_key_alone():
  x, k = images(4), keys(4)
  together = run(x, k, EVERYTHING)
  mixed = run(x[jnp.array([0, 3, 1, 1])], k[jnp.array([1, 3, 1, 2])], EVERYTHING)
  for name in ('input', 'hole', 'sigma'):
    for mine, other in ((3, 1), (1, 2)):  # the same image and key at another place in another batch
      np.testing.assert_array_equal(together[name][mine], mixed[name][other])
    assert np.any(mixed[name][2] != mixed[name][3])  # one image, two keys


def test_parts_do_not_share_their_numbers():
  """Setting one part changes nothing of what another draws."""
  x, k = images(), keys(2)
  alone = run(x, k, DegradeOptions(hole='box'))['hole']
  np.testing.assert_array_equal(alone, run(x, k, DegradeOptions(hole='box', noise_sigma=9, salt_pepper=0.3))['hole'])


def test_ways_of_down_sampling_are_those_that_there_are():
  assert DOWN == resample.METHODS


@pytest.mark.parametrize('down', DOWN)
def test_down_sampling(down):
  x = images(side=12)
  found = run(x, keys(2), DegradeOptions(scale=3, down=down))['input']
  np.testing.assert_allclose(found, resample.downsample(x, 3, down), atol=1e-6)
  assert DegradeOptions(scale=3).input_shape((12, 24, 3)) == (4, 8, 3)
  assert DegradeOptions(grey=True).input_shape((12, 24, 3)) == (12, 24, 1)
  with pytest.raises(UserError, match='image_size to a multiple of 5'):
    degrade(x, keys(2), DegradeOptions(scale=5))


def test_gaussian_noise_has_its_sigma():
  x = jnp.zeros((4, 64, 64, 3))
  result = run(x, keys(4), DegradeOptions(noise_sigma=25))
  np.testing.assert_allclose(np.std(result['input'], axis=(1, 2, 3)) * 127.5, 25, rtol=0.03)
  np.testing.assert_array_equal(result['sigma'], [25] * 4)
  assert abs(np.corrcoef(result['input'][0].ravel(), result['input'][1].ravel())[0, 1]) < 0.05
  drawn = run(jnp.zeros((64, 32, 32, 1)), keys(64), DegradeOptions(noise_sigma_max=50))
  assert drawn['sigma'].min() < 5 and drawn['sigma'].max() > 45
  np.testing.assert_allclose(np.std(drawn['input'], axis=(1, 2, 3)) * 127.5, drawn['sigma'], rtol=0.1, atol=0.1)


def test_levels():
  white = jnp.ones((1, 64, 64, 1))
  raw, clipped, rounded = (
    run(white, keys(1), DegradeOptions(noise_sigma=25, levels=levels))['input']
    for levels in ('raw', 'clipped', 'rounded')
  )
  assert raw.max() > 1.3
  np.testing.assert_array_equal(clipped, jnp.minimum(raw, 1))
  np.testing.assert_allclose((rounded + 1) * 127.5, np.round((clipped + 1) * 127.5), atol=1e-4)


def test_photons_have_their_variance():
  grey = jnp.full((1, 128, 128, 1), -0.5)  # a quarter of white
  found = (np.asarray(run(grey, keys(1), DegradeOptions(poisson_peak=40))['input']) + 1) / 2
  np.testing.assert_allclose(found.mean(), 0.25, rtol=0.02)
  np.testing.assert_allclose(found.var(), 0.25 / 40, rtol=0.05)
  np.testing.assert_allclose(found * 40, np.round(found * 40), atol=1e-3)


def test_salt_and_pepper_come_in_equal_parts():
  grey = jnp.zeros((1, 128, 128, 3))
  found = np.asarray(run(grey, keys(1), DegradeOptions(salt_pepper=0.2))['input'])[0]
  assert set(np.unique(found)) == {-1, 0, 1}
  np.testing.assert_allclose([np.mean(found == -1), np.mean(found == 1)], [0.1, 0.1], atol=0.01)
  assert np.all(found == found[..., :1])  # a dead pixel is dead in all channels


def test_grey_is_the_luma_of_the_data_sources():
  colours = jnp.eye(3).reshape(1, 1, 3, 3) * 2 - 1
  found = (run(colours, keys(1), DegradeOptions(grey=True))['input'] + 1) / 2
  np.testing.assert_allclose(found.ravel(), [0.299, 0.587, 0.114], atol=1e-5)


def test_blur_is_scipys():
  x = np.random.default_rng(0).normal(size=(24, 30))
  found = jax.jit(functools.partial(gaussian_blur, sigma=1.3))(jnp.asarray(x[None, ..., None], jnp.float32))[0, ..., 0]
  np.testing.assert_allclose(found, ndimage.gaussian_filter(x, 1.3, mode='nearest'), atol=1e-5)
  by_option = run(jnp.asarray(x[None, ..., None], jnp.float32), keys(1), DegradeOptions(blur_sigma=1.3))['input']
  np.testing.assert_allclose(by_option[0, ..., 0], found, atol=1e-6)


def test_jpeg_quality_is_drawn_for_each_image():
  x = jnp.broadcast_to(images(1, 32), (6, 32, 32, 3))
  fixed = run(x, keys(6), DegradeOptions(jpeg_quality=30))['input']
  assert np.all(fixed == fixed[:1]) and np.abs(fixed - x).max() > 0.05
  drawn = run(x, keys(6), DegradeOptions(jpeg_quality=5, jpeg_quality_max=95))['input']
  errors = np.mean(np.square(drawn - x), axis=(1, 2, 3))
  assert len(np.unique(errors)) > 3


@pytest.mark.parametrize('kind', HOLES[1:])
def test_holes(kind):
  options = DegradeOptions(hole=kind, hole_share=0.25, hole_value=-1.0)
  x = images(12, side=20) * 0.5
  result = run(x, keys(12), options)
  hole, found = np.asarray(result['hole']), np.asarray(result['input'])
  assert hole.shape == (12, 20, 20, 1) and set(np.unique(hole)) == {0, 1}
  np.testing.assert_array_equal(found, np.where(hole > 0, -1.0, x))
  shares = hole.mean(axis=(1, 2, 3))
  np.testing.assert_allclose(shares, 0.25, atol=0.1 if kind == 'pixels' else 0.01)
  distinct = len(np.unique(hole.reshape(12, -1), axis=0))
  assert distinct == 1 if kind == 'centre' else distinct > 8
  # A quarter of a 20x20 square is a 10x10 square, in one piece; single pixels are not.
  pieces = [ndimage.label(h[..., 0], np.ones((3, 3)))[1] for h in hole]
  assert max(pieces) <= {'centre': 1, 'box': 1, 'strokes': 3, 'pixels': 400}[kind]
  assert kind != 'pixels' or min(pieces) > 8
  if kind == 'centre':
    assert hole[0, 5:15, 5:15].all()


def test_holes_follow_the_shape_of_the_image():
  hole = np.asarray(draw_hole(jax.random.key(0), 20, 41, 'centre', 0.25))[..., 0]
  rows, columns = np.nonzero(hole)
  assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 14, 10, 29)
  boxes = jax.vmap(lambda key: draw_hole(key, 9, 7, 'box', 0.3))(keys(200))
  assert np.asarray(boxes).any(axis=0).all()  # every pixel can be missing
  assert np.asarray(boxes).sum(axis=(1, 2, 3)).tolist() == [20] * 200
  with pytest.raises(ValueError, match="not 'circle'"):
    draw_hole(jax.random.key(0), 8, 8, 'circle', 0.3)


def test_the_hole_is_where_the_small_image_lacks_pixels():
  result = run(images(2, 16), keys(2), DegradeOptions(scale=2, hole='centre'))
  assert result['hole'].shape == (2, 8, 8, 1) and result['input'].shape == (2, 8, 8, 3)
  np.testing.assert_array_equal(result['input'][:, 2:6, 2:6], 0)


@pytest.mark.parametrize(
  'fields,message',
  [
    (
      dict(down='cubic'),
      r"degrade.down is 'cubic' \(did you mean 'bicubic'\?\); choose one of: bicubic, area, "
      'nearest',
    ),
    (dict(hole='circle'), "degrade.hole is 'circle'.*; choose one of: none, centre, box, strokes, pixels"),
    (dict(levels='8bit'), "degrade.levels is '8bit'; choose one of: raw, clipped, rounded"),
    (dict(scale=0), 'degrade.scale=0 must be from 1 to 64'),
    (dict(scale=1.5), 'degrade.scale=1.5: .* a whole number'),
    (dict(jpeg_quality=101), 'degrade.jpeg_quality=101 must be from 0 to 100'),
    (dict(jpeg_quality_max=50), 'set the latter to at least 1'),
    (dict(salt_pepper=-0.1), 'degrade.salt_pepper=-0.1'),
    (dict(noise_sigma=-1), 'degrade.noise_sigma=-1.0'),
    (dict(poisson_peak=-1), 'degrade.poisson_peak=-1.0'),
    (dict(blur_sigma=101), 'degrade.blur_sigma=101.0 must be from 0 to 100'),
    (dict(hole='box', hole_value=2), 'degrade.hole_value=2.0 must be from -1 to 1'),
    (dict(hole='box', hole_share=0.0), 'above 0 and below 1'),
  ],
)
def test_mistakes(fields, message):
  with pytest.raises(UserError, match=message):
    DegradeOptions(**fields)


def test_every_field_is_documented():
  for field in dataclasses.fields(DegradeOptions):
    assert f'    {field.name}: ' in DegradeOptions.__doc__
