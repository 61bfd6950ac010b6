"""The checkerboard numbers against closed forms."""

import numpy as np
import pytest

from deconv.metrics.checkerboard import checkerboard, phase_contrast, power_spectrum, spectrum_picture


def _noise(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape)


def _smooth(n, side, seed=0):
  """Images of four low frequencies with random phases: nothing else is in their spectrum but frequency 0."""
  random = np.random.default_rng(seed)
  at = 2 * np.pi * np.arange(side) / side
  images = np.full((n, side, side, 1), 0.3)
  for row, column in ((1, 0), (0, 1), (1, 1), (2, 1)):
    phase = random.uniform(0, 2 * np.pi, (n, 1, 1))
    images[..., 0] += np.cos(row * at[:, None] + column * at + phase)
  return images


def _pattern(side, stride):
  """A pixel of 1 in each block: s * s - 1 lines of equal power and a mean of 1 / s^2."""
  image = np.zeros((side, side, 1))
  image[::stride, ::stride] = 1
  return image


@pytest.mark.parametrize('stride', [2, 3, 4])
def test_white_noise_is_zero_decibels(stride):
  result = checkerboard(_noise(300, 24, 36, 2) + 5, stride)
  # 600 images and channels, each a chi-squared of at least one degree of freedom: the standard error is 6 % at most.
  assert abs(result['checkerboard_ratio'] - 1) < 0.2
  assert result['checkerboard_db'] == pytest.approx(10 * np.log10(result['checkerboard_ratio']))


@pytest.mark.parametrize('amplitude', [0.01, 0.5])
def test_a_known_checkerboard_on_smooth_images_has_its_exact_size(amplitude):
  sign = (-1.0) ** np.add.outer(np.arange(32), np.arange(32))[..., None]
  result = checkerboard(_smooth(5, 32) + amplitude * sign, 2)
  assert result['checkerboard_rms'] == pytest.approx(amplitude, rel=1e-6)
  assert result['checkerboard_db'] > 60
  assert checkerboard(_smooth(5, 32), 2)['checkerboard_rms'] < 1e-5


@pytest.mark.parametrize('stride', [2, 3, 4])
def test_ratio_of_a_pattern_on_a_known_background(stride):
  """Noise of variance v plus a * pattern: every line has a^2 (side / s^2)^2 + v, every neighbour v, on average."""
  side, v, a = 24, 0.25, 2.0
  images = a * _pattern(side, stride) + np.sqrt(v) * _noise(400, side, side, 1)
  expected = 1 + a**2 * side**2 / stride**4 / v
  assert checkerboard(images, stride)['checkerboard_ratio'] == pytest.approx(expected, rel=0.03)


def test_stride_four_sees_the_lines_of_stride_two_and_not_the_reverse():
  noise = _noise(100, 32, 32, 1)
  fine, coarse = noise + _pattern(32, 2), noise + np.cos(np.pi / 2 * np.arange(32))[None, :, None, None]
  assert checkerboard(fine, 2)['checkerboard_db'] > 10 and checkerboard(fine, 4)['checkerboard_db'] > 10
  assert checkerboard(coarse, 4)['checkerboard_db'] > 10 and abs(checkerboard(coarse, 2)['checkerboard_db']) < 1.5


def test_nearest_neighbour_blocks_have_zeros_at_the_stride():
  blocks = np.repeat(np.repeat(_noise(20, 16, 16, 1) + 3, 2, axis=1), 2, axis=2)
  assert checkerboard(blocks, 2)['checkerboard_db'] < -60
  # Zeros between the pixels instead: the mean of 3 becomes a line at every frequency of the stride.
  spread = blocks * _pattern(32, 2)
  assert checkerboard(spread, 2)['checkerboard_ratio'] == pytest.approx(1 + 9 * 16**2, rel=0.2)


def test_one_direction_is_seen_too():
  stripes = np.broadcast_to((-1.0) ** np.arange(32)[None, None, :, None], (1, 32, 32, 1))
  result = checkerboard(_smooth(1, 32) + 0.1 * stripes, 2)
  assert result['checkerboard_rms'] == pytest.approx(0.1, rel=1e-6)


def test_against_real_images():
  real = _noise(200, 32, 32, 1)
  fake = _noise(200, 32, 32, 1, seed=1) + 0.5 * _pattern(32, 2)
  result = checkerboard(fake, 2, reference=real)
  assert result['checkerboard_excess_db'] == pytest.approx(result['checkerboard_db'] - result['checkerboard_real_db'])
  assert result['checkerboard_excess_db'] > 10
  assert result['checkerboard_real_db'] == checkerboard(real, 2)['checkerboard_db']


def test_scale_crop_and_constants():
  images = (40 * _noise(20, 34, 33, 3) + 128).clip(0, 255).astype(np.uint8)
  whole = checkerboard(images[:, :33, :33], 3)
  assert checkerboard(images, 3) == whole
  scaled = checkerboard(images.astype(np.float32) / 127.5 - 1, 3)
  assert scaled['checkerboard_db'] == pytest.approx(whole['checkerboard_db'], abs=1e-4)
  constant = checkerboard(np.full((2, 8, 8, 1), 7), 2)
  assert constant == {'checkerboard_ratio': 1.0, 'checkerboard_db': 0.0, 'checkerboard_rms': 0.0}


def test_power_spectrum_by_hand():
  assert power_spectrum(_noise(200, 16, 16, 2) * 3).mean() == pytest.approx(9, rel=0.02)
  sign = 0.5 * (-1.0) ** np.add.outer(np.arange(8), np.arange(6))[None, ..., None]
  expected = np.zeros((8, 6))
  expected[4, 3] = 0.25 * 48
  np.testing.assert_allclose(power_spectrum(sign), expected, atol=1e-12)


def test_phase_contrast_of_uneven_overlap():
  """9, 6, 6 and 4 taps reach the four kinds of pixels of a 5x5/2 transposed convolution of white noise."""
  deviations = np.sqrt(np.array([[9.0, 6.0], [6.0, 4.0]]))
  images = _noise(300, 32, 32, 1) * np.tile(deviations, (16, 16))[..., None]
  assert phase_contrast(images) == pytest.approx(np.sqrt(42.25 / 6.25**2 - 1), rel=0.05)  # 0.286
  assert phase_contrast(_noise(300, 32, 32, 1)) < 0.02
  assert phase_contrast(_noise(20, 32, 32, 1) * _pattern(32, 2)) == pytest.approx(np.sqrt(3))
  assert phase_contrast(np.ones((2, 4, 4, 1))) == 0


def test_spectrum_picture():
  wave = np.cos(np.pi * np.arange(16))[None, :, None, None] * np.ones((3, 16, 16, 1)) + 1e-3 * _noise(3, 16, 16, 1) + 4
  picture = spectrum_picture(wave)
  assert picture.shape == (16, 16, 1) and picture.dtype == np.uint8
  # Frequency 1/2 across rows is at the upper border in the middle; frequency 0 is clipped to white.
  assert picture[0, 8] == 255 and picture[8, 8] == 255
  rest = np.delete(picture.ravel(), [8, 8 * 16 + 8])
  assert rest.max() < 100


@pytest.mark.parametrize(
  'call, words',
  [
    (lambda: checkerboard(np.zeros((4, 8, 8))), r'\(n >= 1, height, width, channels\)'),
    (lambda: checkerboard(np.zeros((0, 8, 8, 1))), r'\(n >= 1, height, width, channels\)'),
    (lambda: checkerboard(np.zeros((1, 7, 9, 1)), 4), '4x8 pixels are too small for stride 4'),
    (lambda: checkerboard(np.zeros((1, 8, 8, 1)), 1), 'stride must be at least 2'),
    (lambda: checkerboard(np.zeros((1, 8, 8, 1)), 2, reference=np.zeros((1, 8, 8, 3))), 'reference images'),
  ],
)
def test_mistakes_name_the_argument(call, words):
  with pytest.raises(ValueError, match=words):
    call()
