"""The checkerboard artifact as a number.

Upsampling by a stride s can print a pattern of period s on everything that it makes (Odena et al. 2016, "Deconvolution
and Checkerboard Artifacts"). Two traces of it, neither of which needs a network:

- A pattern that is added is a line in the spectrum at the frequencies (i / s, j / s) cycles a pixel. `checkerboard`
  sets the energy there against that of the neighbouring frequencies, which honest content shares.
- A pattern that multiplies, such as the uneven overlap of a 5x5 kernel with stride 2 (9, 6, 6 and 4 taps reach the
  four kinds of pixels), makes the variance depend on the position inside of the s x s block, whatever the mean:
  `phase_contrast`.

Nearest-neighbour resizing has zeros at exactly these frequencies: blocks are another defect, and not measured here.
"""

import numpy as np

_FLOOR = 1e-10  # of the mean power: bounds ratios where a spectrum is empty; rounding in float64 is far below

# What `measure` returns, in the order of the tables.
MEASURED = ('checkerboard_db', 'checkerboard_excess_db', 'checkerboard_rms', 'phase_contrast')


def measure(images, stride, reference):
  """Returns {name of MEASURED: number} of both functions below, and 'checkerboard_real_db'.

  Args:
    images, stride, reference: see `checkerboard`.

  Raises:
    ValueError: see `checkerboard`.
  """
  found = checkerboard(images, stride, reference)
  return {
    **{name: found[name] for name in (*MEASURED[:3], 'checkerboard_real_db')},
    'phase_contrast': phase_contrast(images, stride),
  }


def checkerboard(images, stride=2, reference=None):
  """Measures the energy at the frequencies of a stride against their neighbourhood in the spectrum.

  For each (i, j) in [0, s)^2 but (0, 0) the power at (i / s, j / s) is compared with the mean power of its neighbours:
  the frequencies up to a quarter of the distance to the stride's next one (at least one bin) away, without those of the
  stride themselves. Natural images, which do not repeat at their borders, have a bright cross along the axes of their
  spectrum, so a frequency on an axis (i = 0 or j = 0) has its neighbours on that axis. Power is averaged over images
  and channels first.

  Args:
    images: (n, height, width, channels), any real dtype and scale; cropped at the bottom right to multiples of the
      stride.
    stride: s, the product of the upsampling factors since the feature map that the pattern comes from; at least 2.
    reference: real images on the same scale, the same size and channels; adds the last two entries.

  Returns:
    {'checkerboard_ratio': power at the stride's frequencies over that of their neighbours; 1 for white noise,
     'checkerboard_db': the same in decibels, 10 * log10,
     'checkerboard_rms': root mean square, in image units, of the pattern above its neighbours, 0 where there is none,
     'checkerboard_real_db': checkerboard_db of the reference,
     'checkerboard_excess_db': checkerboard_db minus that of the reference: 0 = as in real images}.

  Raises:
    ValueError: not images, a stride that they are too small for, or a reference of another shape.
  """
  spectrum = power_spectrum(images, stride)
  lines, neighbours = _lines(spectrum, stride)
  floor = _FLOOR * (np.sum(spectrum) - spectrum[0, 0]) / spectrum.size + 1e-30
  ratio = (np.sum(lines) + floor) / (np.sum(neighbours) + floor)
  result = {
    'checkerboard_ratio': float(ratio),
    'checkerboard_db': float(10 * np.log10(ratio)),
    'checkerboard_rms': float(np.sqrt(np.sum(np.maximum(lines - neighbours, 0)) / spectrum.size)),
  }
  if reference is not None:
    if np.shape(reference)[1:] != np.shape(images)[1:]:
      raise ValueError(
        f'reference images are {np.shape(reference)[1:]}, the images {np.shape(images)[1:]}; both must '
        'be of one size and number of channels'
      )
    real = checkerboard(reference, stride)['checkerboard_db']
    result['checkerboard_real_db'] = real
    result['checkerboard_excess_db'] = result['checkerboard_db'] - real
  return result


def phase_contrast(images, stride=2):
  """Measures how much the variance depends on the position inside of the s x s blocks.

  Args:
    images: (n, height, width, channels), any real dtype and scale; cropped to multiples of the stride.
    stride: s, at least 2.

  Returns:
    Standard deviation over mean of the s * s variances, averaged over channels: 0 when all positions are alike, 0.286
    for white noise through a random 5x5/2 transposed convolution, sqrt(s * s - 1) when only one position varies. 0 for
    constant images.
  """
  images = _cropped(images, stride)
  n, height, width, channels = images.shape
  blocks = images.reshape(n, height // stride, stride, width // stride, stride, channels)
  variance = blocks.var(axis=(0, 1, 3)).reshape(stride * stride, channels).mean(axis=1)
  return float(variance.std() / variance.mean()) if variance.mean() > 0 else 0.0


def power_spectrum(images, stride=1):
  """Returns the mean power |FFT|^2 / (height * width) over images and channels, frequency 0 first.

  White noise of variance v has v everywhere; `a * (-1)**(x + y)` has a^2 * height * width at (height / 2, width / 2).

  Args:
    images: (n, height, width, channels).
    stride: the images are cropped to multiples of it.

  Returns:
    float64 (height, width).
  """
  images = _cropped(images, stride)
  total = sum(np.sum(np.abs(np.fft.fft2(image, axes=(0, 1))) ** 2, axis=-1) for image in images)
  return total / (len(images) * images[0].size)


def spectrum_picture(images):
  """Draws the mean log spectrum: frequency 0 in the middle, the highest frequencies at the border.

  White is the largest value but that of frequency 0, black 60 decibels below.

  Args:
    images: (n, height, width, channels), any real dtype and scale.

  Returns:
    uint8 (height, width, 1).
  """
  images = _cropped(images, 1)
  total = 0.0
  for image in images:
    power = np.sum(np.abs(np.fft.fft2(image, axes=(0, 1))) ** 2, axis=-1) / image.size
    total = total + 10 * np.log10(power + 1e-12 * power.mean() + 1e-30)
  decibels = total / len(images)
  brightest = np.max(decibels.ravel()[1:], initial=-np.inf)
  scaled = np.clip(1 + (np.fft.fftshift(decibels) - brightest) / 60, 0, 1)
  return np.round(255 * scaled).astype(np.uint8)[..., None]


def _cropped(images, stride):
  images = np.asarray(images)
  if images.ndim != 4 or not images.size:
    raise ValueError(f'images must be (n >= 1, height, width, channels), not of shape {images.shape}')
  height, width = (size - size % stride for size in images.shape[1:3])
  return images[:, :height, :width].astype(np.float64)


def _lines(spectrum, stride):
  """Returns the power at each frequency of the stride, and the mean power around each; float64 (s * s - 1,) both."""
  sizes = spectrum.shape
  if stride < 2:
    raise ValueError(f'stride must be at least 2, not {stride}')
  if min(sizes) < 2 * stride:
    raise ValueError(
      f'images of {sizes[0]}x{sizes[1]} pixels are too small for stride {stride}: it needs {2 * stride}x{2 * stride}'
    )
  radii = [max(1, size // (4 * stride)) for size in sizes]
  steps = [size // stride for size in sizes]
  lines, neighbours = [], []
  for i, j in np.ndindex(stride, stride):
    if (i, j) == (0, 0):
      continue
    reach = [0 if at == 0 else r for at, r in zip((i, j), radii)]
    rows = np.arange(i * steps[0] - reach[0], i * steps[0] + reach[0] + 1) % sizes[0]
    columns = np.arange(j * steps[1] - reach[1], j * steps[1] + reach[1] + 1) % sizes[1]
    mine = np.ix_(rows, columns)
    keep = ~((rows % steps[0] == 0)[:, None] & (columns % steps[1] == 0))
    lines.append(spectrum[i * steps[0], j * steps[1]])
    neighbours.append(spectrum[mine][keep].mean())
  return np.array(lines), np.array(neighbours)
