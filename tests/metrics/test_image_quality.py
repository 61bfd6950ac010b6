"""PSNR, SSIM and MS-SSIM against the theory of noise, scikit-image and a float64 program of their definitions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from skimage import color, metrics
from sklearn import datasets

from deconv.errors import UserError
from deconv.metrics import image_quality


def photo(height, width):
  return datasets.load_sample_image('flower.jpg')[60 : 60 + height, 150 : 150 + width]


def signed(levels):
  return jnp.asarray(levels / 127.5 - 1, jnp.float32)


def noisy(levels, sigma, seed=0):
  noise = np.random.default_rng(seed).normal(0, sigma, levels.shape)
  return np.clip(np.round(levels + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize('sigma', [15, 25, 50])
def test_psnr_of_noise_is_known(sigma):
  clean = signed(photo(256, 256))[None]
  noise = jax.random.normal(jax.random.key(sigma), (8, *clean.shape[1:])) * sigma / 127.5
  found = image_quality.psnr(clean + noise, jnp.broadcast_to(clean, noise.shape), levels='raw')
  assert abs(found.mean() - 20 * np.log10(255 / sigma)) < 0.02
  # Clipping removes some of it, so the protocol has to say whether it was done.
  clipped = image_quality.psnr(clean + noise, jnp.broadcast_to(clean, noise.shape), levels='clipped')
  assert np.all(clipped > found + 0.005)


def test_psnr_by_hand():
  clean = np.full((2, 8, 8, 3), 100.0)
  other = clean.copy()
  other[0, ..., 0] += 3  # mean squared error 3
  other[1, :2] += 200  # at the border: shaved away
  found = image_quality.psnr(signed(other), signed(clean), shave=2)
  np.testing.assert_allclose(found, [10 * np.log10(255**2 / 3), image_quality.LIMIT_DB], rtol=1e-5)
  unshaved = image_quality.psnr(signed(other), signed(clean))
  np.testing.assert_allclose(unshaved[1], 10 * np.log10(255**2 / (155**2 / 4)), rtol=1e-5)  # 300 is clipped to 255
  raw = image_quality.psnr(signed(other), signed(clean), levels='raw')
  np.testing.assert_allclose(raw[1], 10 * np.log10(255**2 / (200**2 / 4)), rtol=1e-5)
  np.testing.assert_allclose(image_quality.psnr(signed(clean + 0.4), signed(clean)), 100)  # rounds to the same level
  np.testing.assert_allclose(
    image_quality.psnr(signed(clean + 0.4), signed(clean), levels='clipped'), 20 * np.log10(255 / 0.4), rtol=1e-4
  )


def test_luminance_as_papers_measure_it():
  """Both pictures through MATLAB's rgb2ycbcr, rounded, border shaved by the scale."""
  clean, other = photo(64, 80), noisy(photo(64, 80), 12)
  y_clean, y_other = (np.round(color.rgb2ycbcr(x)[..., 0])[3:-3, 3:-3] for x in (clean, other))
  found = image_quality.psnr(signed(other)[None], signed(clean)[None], colour='y', shave=3)
  np.testing.assert_allclose(found[0], metrics.peak_signal_noise_ratio(y_clean, y_other, data_range=255), atol=0.002)
  found = jax.jit(functools.partial(image_quality.ssim, colour='y', shave=3))(signed(other)[None], signed(clean)[None])
  np.testing.assert_allclose(found[0], structural_similarity(y_other[..., None], y_clean[..., None]), atol=1e-4)
  grey = signed(clean[..., :1])[None], signed(other[..., :1])[None]
  np.testing.assert_array_equal(image_quality.psnr(*grey, colour='y'), image_quality.psnr(*grey, colour='rgb'))


def structural_similarity(x, y):
  return metrics.structural_similarity(
    x.astype(np.float64),
    y.astype(np.float64),
    gaussian_weights=True,
    sigma=1.5,
    use_sample_covariance=False,
    data_range=255,
    channel_axis=-1,
  )


@pytest.mark.parametrize('size', [(11, 11), (48, 70)])
@pytest.mark.parametrize('channels', [1, 3])
def test_ssim_is_scikit_images(size, channels):
  clean = photo(*size)[..., :channels]
  pairs = [
    (noisy(clean, 2), clean),
    (noisy(clean, 40, 1), clean),
    (clean, clean),
    (255 - clean, clean),
    (np.clip(noisy(np.full_like(clean, 254), 1), 250, 255), np.full_like(clean, 254)),
  ]  # bright and flat
  found = jax.jit(image_quality.ssim)(signed(np.stack([x for x, _ in pairs])), signed(np.stack([y for _, y in pairs])))
  np.testing.assert_allclose(found, [structural_similarity(x, y) for x, y in pairs], atol=1e-6)
  assert found[2] == 1


def test_ms_ssim_is_its_definition():
  clean = photo(200, 181)

  def reference(x, y):
    """Float64, by scipy's correlation; one channel."""
    at = np.arange(11) - 5
    window = np.exp(-0.5 * (np.add.outer(at**2, at**2)) / 1.5**2)
    window /= window.sum()

    def smooth(a):
      return ndimage.correlate(a, window)[5:-5, 5:-5]

    result = 1.0
    for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
      mx, my = smooth(x), smooth(y)
      cs = (2 * (smooth(x * y) - mx * my) + 58.5225) / (smooth(x * x) - mx**2 + smooth(y * y) - my**2 + 58.5225)
      light = (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025)
      result *= max(0.0, np.mean(cs * light if scale == 4 else cs)) ** weight
      x, y = (a[: a.shape[0] // 2 * 2, : a.shape[1] // 2 * 2] for a in (x, y))
      x, y = ((a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]) / 4 for a in (x, y))
    return result

  others = [noisy(clean, 30), 255 - clean]
  expected = [
    np.mean([reference(other[..., c].astype(float), clean[..., c].astype(float)) for c in range(3)]) for other in others
  ]
  both = signed(np.stack(others)), jnp.broadcast_to(signed(clean), (2, *clean.shape))
  found = jax.jit(image_quality.ms_ssim)(*both)
  np.testing.assert_allclose(found, expected, atol=2e-6)
  assert 0.1 < expected[0] < 0.99
  with pytest.raises(ValueError, match='5 scales need 176 a side'):
    image_quality.ms_ssim(*both, shave=4)


def test_fewer_scales_for_small_images():
  clean, other = signed(photo(44, 48))[None], signed(noisy(photo(44, 48), 20))[None]
  # One scale is SSIM; of three scales the first weighs 0.0448 / (0.0448 + 0.2856 + 0.3001).
  np.testing.assert_allclose(image_quality.ms_ssim(other, clean, scales=1), image_quality.ssim(other, clean), rtol=1e-5)
  weights, product = np.array([0.0448, 0.2856, 0.3001]), 1.0
  pair = (other, clean)
  for scale, weight in enumerate(weights / weights.sum()):
    luminances, structure = image_quality.ssim_maps(*(jnp.round((x + 1) * 127.5) if not scale else x for x in pair))
    product = product * jnp.mean(structure * luminances if scale == 2 else structure, axis=(1, 2)) ** weight
    pair = [jnp.round((x + 1) * 127.5) if not scale else x for x in pair]
    pair = [
      x[:, : x.shape[1] // 2 * 2].reshape(1, x.shape[1] // 2, 2, x.shape[2] // 2, 2, 3).mean((2, 4)) for x in pair
    ]
  np.testing.assert_allclose(image_quality.ms_ssim(other, clean, scales=3), product.mean(-1), rtol=1e-5)
  for scales in (0, 6):
    with pytest.raises(ValueError, match='must be from 1 to 5'):
      image_quality.ms_ssim(other, clean, scales=scales)


def test_pair_similarity_tells_one_image_from_many():
  digits = np.repeat(np.repeat(datasets.load_digits().images[:60] * 15.9, 3, axis=1), 3, axis=2).astype(np.uint8)
  digits, labels = digits[..., None], datasets.load_digits().target[:60]
  same, spread, scales = image_quality.pair_similarity(np.repeat(digits[:1], 5, axis=0), pairs=10)
  assert same == pytest.approx(1, abs=1e-6) and spread < 1e-6 and scales == 2
  mixed, alike = (image_quality.pair_similarity(digits, chosen, pairs=120)[0] for chosen in (None, labels))
  assert mixed < alike < 0.9  # digits of one class are more alike
  assert image_quality.pair_similarity(digits, pairs=70) == image_quality.pair_similarity(digits, pairs=70)
  with pytest.raises(UserError, match='no two images of a class'):
    image_quality.pair_similarity(digits[:3], [0, 1, 2])
  with pytest.raises(UserError, match='window of 11 pixels'):
    image_quality.pair_similarity(digits[:, :8])


def test_ssim_can_be_trained_on():
  clean = signed(photo(16, 16))[None]
  gradient = jax.jit(jax.grad(lambda x: image_quality.ssim(x, clean, levels='raw')[0]))(clean + 0.1)
  assert np.all(np.isfinite(gradient)) and np.abs(gradient).max() > 0


def test_each_image_has_its_own_number():
  clean = signed(np.stack([photo(32, 32)] * 3))
  other = signed(np.stack([noisy(photo(32, 32), sigma) for sigma in (1, 10, 30)]))
  for measure in map(jax.jit, (image_quality.psnr, image_quality.ssim)):
    together = measure(other, clean)
    assert together.shape == (3,) and together[0] > together[1] > together[2]
    alone = jnp.concatenate([measure(other[i : i + 1], clean[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_mistakes():
  image = jnp.zeros((1, 12, 12, 3))
  psnr = functools.partial(image_quality.psnr, image)
  with pytest.raises(ValueError, match='must be of one shape'):
    psnr(image[..., :1])
  with pytest.raises(ValueError, match="colour must be 'rgb' or 'y', not 'grey'"):
    psnr(image, colour='grey')
  with pytest.raises(ValueError, match='levels must be one of rounded, clipped, raw'):
    psnr(image, levels='uint8')
  with pytest.raises(ValueError, match='shaving 6 pixels at each border leaves nothing'):
    psnr(image, shave=6)
  with pytest.raises(ValueError, match='its window has 11 a side'):
    image_quality.ssim(image, image, shave=1)
  levels = jnp.zeros((1, 12, 12, 3), jnp.uint8)
  for measure in (image_quality.psnr, image_quality.ssim, image_quality.ms_ssim, image_quality.ssim_maps):
    for pair in ((levels, image), (image, levels)):
      with pytest.raises(ValueError, match='images must be floats, not uint8'):
        measure(*pair)


def test_protocol_says_what_was_done():
  words = image_quality.protocol('y', 3, 'clipped')['psnr_is']
  assert 'luminance' in words and '3 pixels shaved' in words and 'not rounded' in words


def test_quality_in_a_hole_by_hand():
  targets = signed(np.full((2, 4, 4, 3), 100.0))
  hole = np.zeros((2, 4, 4, 1), np.float32)
  hole[0, 1:3, 1:3] = 1
  images = targets + np.where(hole > 0, 51 / 127.5, 1.0)  # outside of the hole nothing counts
  np.testing.assert_allclose(image_quality.l1_hole(images, targets, hole), [0.2, 0], atol=1e-6)
  np.testing.assert_allclose(image_quality.psnr_hole(images, targets, hole), [20 * np.log10(5), 100], rtol=1e-5)
  whole = np.ones_like(hole)
  other = jnp.clip(images + jax.random.normal(jax.random.key(0), images.shape), -2, 2)
  np.testing.assert_allclose(
    image_quality.psnr_hole(other, targets, whole), image_quality.psnr(other, targets), rtol=1e-5
  )
