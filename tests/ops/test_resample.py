"""Down- and upsampling by whole factors, against MATLAB's imresize written out and against Pillow."""

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest
from sklearn import datasets

from deconv.ops import resample


def imresize_line(line, out_length):
  """MATLAB's imresize of one line of pixels, in float64, as its `contributions` is written: one output at a time."""
  n, scale = len(line), out_length / len(line)
  stretch = min(scale, 1.0)

  def cubic(x):
    x = abs(x)
    if x <= 1:
      return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0

  result = []
  for i in range(1, out_length + 1):
    u = i / scale + 0.5 * (1 - 1 / scale)  # 1-based, as there
    left = int(np.floor(u - 4 / stretch / 2))
    at = range(left, left + int(np.ceil(4 / stretch)) + 2)
    weights = np.array([stretch * cubic(stretch * (u - j)) for j in at])
    mirror = [*range(n), *range(n - 1, -1, -1)]
    pixels = np.array([line[mirror[(j - 1) % (2 * n)]] for j in at], np.float64)
    result.append(np.sum(weights / weights.sum() * pixels))
  return np.array(result)


def imresize(image, height, width):
  rows = np.stack([imresize_line(line, width) for line in image])
  return np.stack([imresize_line(line, height) for line in rows.T], axis=1)


downsample = jax.jit(resample.downsample, static_argnums=(1, 2))
upsample_bicubic = jax.jit(resample.upsample_bicubic, static_argnums=1)


def photo(channel=1):
  """A piece of a photograph, float64 (96, 144), levels 0 to 255."""
  return datasets.load_sample_image('china.jpg')[120:216, 200:344, channel].astype(np.float64)


def decibels(x, y):
  return 10 * np.log10(255**2 / np.mean((x - y) ** 2))


@pytest.mark.parametrize('factor', [1, 2, 3, 4, 6])
def test_bicubic_is_imresize(factor):
  image = photo()
  down = np.asarray(downsample(jnp.asarray(image[None, ..., None], jnp.float32), factor))[0, ..., 0]
  expected = imresize(image, 96 // factor, 144 // factor)
  np.testing.assert_allclose(down, expected, atol=2e-4)
  up = np.asarray(upsample_bicubic(jnp.asarray(expected[None, ..., None], jnp.float32), factor))[0, ..., 0]
  np.testing.assert_allclose(up, imresize(expected, 96, 144), atol=2e-4)


@pytest.mark.parametrize('shape', [(1, 1), (2, 3), (3, 2)])
def test_fewer_pixels_than_taps(shape):
  small = np.random.default_rng(0).uniform(0, 255, shape)
  up = np.asarray(upsample_bicubic(jnp.asarray(small[None, ..., None], jnp.float32), 4))[0, ..., 0]
  expected = imresize(small, 4 * shape[0], 4 * shape[1])
  np.testing.assert_allclose(up, expected, atol=2e-4)
  back = np.asarray(downsample(jnp.asarray(expected[None, ..., None], jnp.float32), 4))[0, ..., 0]
  np.testing.assert_allclose(back, imresize(expected, *shape), atol=2e-4)


@pytest.mark.parametrize('factor', [2, 3, 4])
def test_bicubic_is_pillows_inside_of_the_border(factor):
  image = photo()
  small = np.asarray(downsample(jnp.asarray(image[None, ..., None], jnp.float32), factor))[0, ..., 0]
  pillow = Image.fromarray(image.astype(np.float32)).resize((144 // factor, 96 // factor), Image.Resampling.BICUBIC)
  inner = (slice(2, -2), slice(2, -2))
  np.testing.assert_allclose(small[inner], np.asarray(pillow)[inner], atol=2e-3)
  large = np.asarray(upsample_bicubic(jnp.asarray(small[None, ..., None]), factor))[0, ..., 0]
  pillow = np.asarray(Image.fromarray(small).resize((144, 96), Image.Resampling.BICUBIC))
  inner = (slice(2 * factor, -2 * factor),) * 2
  np.testing.assert_allclose(large[inner], pillow[inner], atol=2e-3)
  # The number that is published: down and up again.
  assert abs(decibels(large[inner], image[inner]) - decibels(pillow[inner], image[inner])) < 0.01


@pytest.mark.parametrize('factor', [2, 3, 4])
def test_area_and_nearest(factor):
  image = photo()
  x = jnp.asarray(image[None, ..., None], jnp.float32)
  area = np.asarray(downsample(x, factor, 'area'))[0, ..., 0]
  blocks = [[image[i : i + factor, j : j + factor].mean() for j in range(0, 144, factor)] for i in range(0, 96, factor)]
  np.testing.assert_allclose(area, blocks, atol=1e-4)
  nearest = np.asarray(downsample(x, factor, 'nearest'))[0, ..., 0]
  pillow = Image.fromarray(image.astype(np.float32)).resize((144 // factor, 96 // factor), Image.Resampling.NEAREST)
  np.testing.assert_array_equal(nearest, np.asarray(pillow))


def test_bicubic_keeps_what_it_must():
  """Constants everywhere, straight ramps inside; frequencies that the small image cannot hold are gone."""
  ramp = jnp.broadcast_to(jnp.arange(64.0)[None, :, None, None], (1, 64, 64, 1))
  for factor in (2, 3, 4):
    assert np.ptp(np.asarray(upsample_bicubic(jnp.full((1, 5, 7, 2), 3.0), factor))) < 1e-5
    side = 48 // factor
    small = np.asarray(downsample(ramp[:, :48, :48], factor))[0, 3 : side - 3, 0, 0]
    np.testing.assert_allclose(small, (np.arange(side)[3:-3] + 0.5) * factor - 0.5, atol=1e-4)
  checks = jnp.asarray(np.indices((32, 32)).sum(0) % 2, jnp.float32)[None, ..., None]
  np.testing.assert_allclose(downsample(checks, 2)[:, 2:-2, 2:-2], 0.5, atol=1e-6)
  assert np.ptp(np.asarray(downsample(checks, 2, 'nearest'))) == 0


def test_dtype_and_program():
  x = jnp.ones((2, 8, 8, 3), jnp.bfloat16)
  for method in resample.METHODS:
    assert downsample(x, 2, method).dtype == jnp.bfloat16
  assert upsample_bicubic(x, 3).dtype == jnp.bfloat16
  gradient = jax.jit(jax.grad(lambda x: jnp.sum(resample.downsample(x, 2))))(jnp.ones((1, 8, 8, 1)))
  np.testing.assert_allclose(gradient.sum(), 16, rtol=1e-5)  # weights of each output add up to 1


def test_mistakes():
  with pytest.raises(ValueError, match='7x8 pixels are no multiple of the factor 2'):
    resample.downsample(jnp.ones((1, 7, 8, 1)), 2)
  with pytest.raises(ValueError, match="must be one of bicubic, area, nearest, not 'cubic'"):
    resample.downsample(jnp.ones((1, 8, 8, 1)), 2, 'cubic')
  with pytest.raises(ValueError, match='whole number of at least 1, not 1.5'):
    resample.upsample_bicubic(jnp.ones((1, 8, 8, 1)), 1.5)
  with pytest.raises(ValueError, match='must be .batch, height, width, channels'):
    resample.downsample(jnp.ones((8, 8, 1)), 2)
