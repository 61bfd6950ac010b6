"""What is done to an image before a network has to undo it: on the device, by a key for each image.

A degradation is a sum of parts, each off by default, in the order in which a camera would make them: grey, blur, fewer
pixels, photon noise, Gaussian noise, salt and pepper, the levels of a file, JPEG, a hole.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deconv.data.transforms import jpeg
from deconv.data.transforms.colour import luminance
from deconv.ops.blur import blur
from deconv.ops.resample import downsample
from deconv.options.degrade import HOLES
from deconv.rng import stream

_STROKES = 3  # each of _CORNERS - 1 straight pieces: few, or a brush for a small share would be a hair
_CORNERS = 3


def degrade(images, keys, options):
  """Degrades images; what becomes of each is a function of it and of its key alone.

  Args:
    images: (b, h, w, c) floats in [-1, 1], c 1 or 3.
    keys: PRNG keys (b,).
    options: DegradeOptions; static under jit.

  Returns:
    {'input': (b, h / scale, w / scale, c'), float32, c' = 1 with `grey`, else c. With levels='raw' it leaves [-1, 1]:
       bicubic down-sampling and noise reach beyond.
     'hole': float32 (b, h / scale, w / scale, 1), 1 where it is missing and 0 elsewhere; None for hole='none'.
     'sigma': float32 (b,), the standard deviation of the Gaussian noise of each image, in levels of 255.}

  Raises:
    UserError: h or w is no multiple of the scale.
  """
  height, width, _ = options.input_shape(images.shape[1:])
  x = jnp.asarray(images, jnp.float32)
  if options.grey:
    x = luminance(x, 'full')
  if options.blur_sigma:
    x = gaussian_blur(x, options.blur_sigma)
  x = downsample(x, options.scale, options.down)
  if options.poisson_peak:
    x = _each(keys, 'poisson', lambda key, x: poisson_noise(x, key, options.poisson_peak), x)
  sigma = jnp.full(len(x), options.noise_sigma, jnp.float32)
  if options.noise_sigma_max > options.noise_sigma:
    sigma = _each(
      keys,
      'sigma',
      lambda key: jax.random.uniform(key, (), jnp.float32, minval=options.noise_sigma, maxval=options.noise_sigma_max),
    )
  if max(options.noise_sigma, options.noise_sigma_max):
    noise = _each(keys, 'noise', lambda key: jax.random.normal(key, x.shape[1:], jnp.float32))
    x = x + noise * sigma[:, None, None, None] / 127.5
  if options.salt_pepper:
    x = _each(keys, 'salt_pepper', lambda key, x: salt_and_pepper(x, key, options.salt_pepper), x)
  if options.levels != 'raw':
    x = jnp.clip(x, -1.0, 1.0)
  if options.levels == 'rounded':
    x = jnp.round((x + 1) * 127.5) / 127.5 - 1
  if options.jpeg_quality:
    quality = jnp.full(len(x), options.jpeg_quality, jnp.int32)
    if options.jpeg_quality_max > options.jpeg_quality:
      quality = _each(
        keys,
        'quality',
        lambda key: jax.random.randint(key, (), options.jpeg_quality, options.jpeg_quality_max + 1, jnp.int32),
      )
    x = jpeg.jpeg(x, quality)
  hole = None
  if options.has_hole:
    hole = _each(keys, 'hole', lambda key: draw_hole(key, height, width, options.hole, options.hole_share))
    x = jnp.where(hole > 0, options.hole_value, x)
  return {'input': x, 'hole': hole, 'sigma': sigma}


def gaussian_blur(images, sigma):
  """(b, h, w, c) blurred by a Gaussian of `sigma` pixels, cut off at four of them; border pixels are repeated."""
  reach = max(1, int(4 * sigma + 0.5))
  taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
  return blur(images, taps / taps.sum())


def poisson_noise(image, key, peak):
  """Photon noise: v in [0, 1] becomes Poisson(v peak) / peak; `image` in [-1, 1] (values outside are clipped)."""
  photons = peak * jnp.clip((image + 1) / 2, 0.0, 1.0)
  return 2 * jax.random.poisson(key, photons, dtype=jnp.int32).astype(jnp.float32) / peak - 1


def salt_and_pepper(image, key, share):
  """(h, w, c) with `share` of the pixels black or white, all channels together."""
  draw = jax.random.uniform(key, (*image.shape[:2], 1), jnp.float32)
  return jnp.where(draw < share / 2, -1.0, jnp.where(draw < share, 1.0, image))


def draw_hole(key, height, width, kind, share):
  """Draws what is missing from one image.

  Args:
    key: PRNG key; not used by 'centre'.
    height, width: pixels.
    kind: 'centre': a rectangle of the image's shape in the middle, where a side of an odd margin is larger right and
      below (as close to the share as whole pixels allow); 'box': the same, uniform over all places; 'strokes': three
      bent lines of a brush, thick enough to cover the share exactly, up to rounding; 'pixels': each pixel with
      probability `share`.
    share: of the area, above 0 and below 1.

  Returns:
    float32 (height, width, 1), 1 where it is missing.
  """
  rows, columns = jnp.arange(height, dtype=jnp.int32)[:, None], jnp.arange(width, dtype=jnp.int32)[None]
  if kind in ('centre', 'box'):
    tall, wide = (int(np.clip(round(side * share**0.5), 1, side)) for side in (height, width))
    if kind == 'centre':
      top, left = (height - tall) // 2, (width - wide) // 2
    else:
      key_rows, key_columns = jax.random.split(key)
      top = jax.random.randint(key_rows, (), 0, height - tall + 1, jnp.int32)
      left = jax.random.randint(key_columns, (), 0, width - wide + 1, jnp.int32)
    hole = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
  elif kind == 'strokes':
    sides = jnp.array([[[height, width]]], jnp.float32)
    corners = jax.random.uniform(key, (_STROKES, _CORNERS, 2), jnp.float32) * sides
    starts, ends = corners[:, :-1].reshape(-1, 1, 1, 2), corners[:, 1:].reshape(-1, 1, 1, 2)
    middles = [at.astype(jnp.float32) + 0.5 for at in (rows, columns)]
    pixels = jnp.stack(jnp.broadcast_arrays(*middles), axis=-1)[None]
    along = ends - starts
    place = jnp.sum((pixels - starts) * along, -1) / jnp.maximum(jnp.sum(along**2, -1), 1e-6)
    nearest = starts + jnp.clip(place, 0.0, 1.0)[..., None] * along
    distance = jnp.min(jnp.sum((pixels - nearest) ** 2, -1), axis=0)
    count = int(np.clip(round(share * height * width), 1, height * width))
    hole = distance <= jnp.sort(distance.ravel())[count - 1]
  elif kind == 'pixels':
    hole = jax.random.uniform(key, (height, width), jnp.float32) < share
  else:
    raise ValueError(f'kind must be one of {", ".join(HOLES[1:])}, not {kind!r}')
  return hole[..., None].astype(jnp.float32)


def _each(keys, name, function, *arrays):
  """function(key, *arrays) of every image; `name` is the random stream, so that the parts do not share numbers."""
  return jax.vmap(lambda key, *rest: function(stream(key, name), *rest))(keys, *arrays)
