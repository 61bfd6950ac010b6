"""Joint augmentation of images and their masks, on the device and inside of the step: one warp, then colours."""

import jax
import jax.numpy as jnp
import numpy as np

from deconv.data.transforms.colour import LUMA
from deconv.errors import UserError
from deconv.ops.arguments import of_rank
from deconv.options.data import IGNORE

# What is drawn for an image, each always, so that what is turned on changes nothing of what was on before.
_DRAWS = 'flip', 'scale', 'rotate', 'row', 'column', 'brightness', 'contrast', 'saturation', 'hue'
_ELASTIC, _SHIFT = 1, 2  # names of other random streams
_GRID = 3  # points of the elastic grid along each side (Ronneberger et al. 2015, section 3.1)
# Rows: luma and the two chromas of YIQ (NTSC 1953).
_YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def augment(images, masks, keys, options):
  """Varies images and their masks together, each image by its own key.

  All of the geometry is one coordinate map, so an image is interpolated once: images bilinearly, mirrored at their
  borders; masks by the nearest pixel, IGNORE outside. Whole shifts and mirroring are exact.

  Args:
    images: floats (b, h, w, c) in [-1, 1].
    masks: integers (b, h, w).
    keys: random keys (b,).
    options: AugmentOptions.

  Returns:
    (images, masks) of the same types: (b, s, s, c) and (b, s, s) where `crop` is s > 0, else of the same shapes.

  Raises:
    UserError: `crop` is larger than the images, or grey images are to change their colours.
  """
  height, width, channels = images.shape[1:]
  if options.crop > min(height, width):
    raise UserError(
      f'augment.crop is {options.crop}, larger than the images ({height}x{width}): set at most {min(height, width)}.'
    )
  if channels == 1 and (options.saturation or options.hue):
    raise UserError('augment.saturation and augment.hue need colours: set both to 0, or --config.data.channels=3.')
  if options.warps:
    images, masks = jax.vmap(lambda image, mask, key: warp(image, mask, coordinates(key, image.shape[:2], options)))(
      images, masks, keys
    )
  elif options.flip:
    mirrored = jax.vmap(_mirrored)(keys)[:, None, None]
    images = jnp.where(mirrored[..., None], images[:, :, ::-1], images)
    masks = jnp.where(mirrored, masks[:, :, ::-1], masks)
  if options.recolours:
    images = jax.vmap(lambda image, key: recolour(image, key, options))(images, keys)
  return images, masks


def coordinates(key, shape, options):
  """Draws where the pixels of one augmented image come from.

  Args:
    key: the random key of the image.
    shape: (height, width) of the image.
    options: AugmentOptions.

  Returns:
    float32 (2, rows, columns): row and column in the image of each pixel; whole numbers are the middles of pixels.
  """
  sizes = np.array(shape, np.float32)
  window = (options.crop, options.crop) if options.crop else shape
  scale = 1.0
  if options.scale_min != 1 or options.scale_max != 1:
    scale = jnp.exp(_draw(key, 'scale', np.log(options.scale_min), np.log(options.scale_max)))
  room = scale * sizes - np.array(window, np.float32)
  drawn = jnp.stack([_draw(key, 'row', 0, 1), _draw(key, 'column', 0, 1)])
  whole = jnp.maximum(jnp.floor(room), 0)
  start = jnp.where(room >= 0, jnp.minimum(jnp.floor(drawn * (whole + 1)), whole), room / 2)

  if options.shift:
    drawn = jax.random.randint(jax.random.fold_in(key, _SHIFT), (2,), -options.shift, options.shift + 1)
    start += drawn.astype(jnp.float32)

  # Places in the enlarged image, from its middle.
  rows, columns = (
    start[axis] + np.arange(window[axis], dtype=np.float32) + 0.5 - scale * sizes[axis] / 2 for axis in (0, 1)
  )
  place = jnp.stack(jnp.broadcast_arrays(rows[:, None], columns[None, :]))
  if options.elastic_sigma:
    drawn = jax.random.normal(jax.random.fold_in(key, _ELASTIC), (2, _GRID, _GRID), jnp.float32)
    shifts = options.elastic_sigma * drawn
    place += jnp.einsum(
      'ri,aij,cj->arc', cubic_weights(window[0]), shifts, cubic_weights(window[1]), precision=jax.lax.Precision.HIGHEST
    )
  if options.rotate_degrees:
    angle = jnp.deg2rad(_draw(key, 'rotate', -options.rotate_degrees, options.rotate_degrees))
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    place = jnp.stack([cosine * place[0] + sine * place[1], cosine * place[1] - sine * place[0]])
  place = place / scale
  if options.flip:
    place = place.at[1].multiply(jnp.where(_mirrored(key), -1.0, 1.0))
  return place + (sizes / 2 - 0.5)[:, None, None]


def warp(image, mask, place):
  """Takes the pixels of one image and its mask from elsewhere.

  Args:
    image: floats (h, w, c).
    mask: integers (h, w).
    place: float32 (2, rows, columns): row and column of each; whole numbers are the middles of pixels.

  Returns:
    (image, mask): (rows, columns, c), bilinear, the image going on mirrored about the edges of its outermost pixels;
    (rows, columns), of the nearest pixel, IGNORE where that is outside.
  """
  sizes = image.shape[:2]
  nearest = jnp.floor(place + 0.5).astype(jnp.int32)
  inside = jnp.ones(place.shape[1:], bool)
  for axis in (0, 1):
    inside &= (nearest[axis] >= 0) & (nearest[axis] < sizes[axis])
  # One gather of a pixel's channels by its number is faster than one by row and column.
  number = jnp.clip(nearest[0], 0, sizes[0] - 1) * sizes[1] + jnp.clip(nearest[1], 0, sizes[1] - 1)
  warped_mask = jnp.where(inside, mask.reshape(-1)[number], jnp.asarray(IGNORE, mask.dtype))

  below, share = [], []
  for axis, size in enumerate(sizes):
    mirrored = jnp.abs(jnp.mod(place[axis] + 0.5 + size, 2 * size) - size) - 0.5  # whole numbers stay as they are
    first = jnp.floor(mirrored)
    share.append((mirrored - first)[..., None])
    below.append(first.astype(jnp.int32))
  pixels = image.reshape(-1, image.shape[-1]).astype(jnp.float32)

  def at(down, right):
    row, column = jnp.clip(below[0] + down, 0, sizes[0] - 1), jnp.clip(below[1] + right, 0, sizes[1] - 1)
    return pixels[row * sizes[1] + column]

  upper = at(0, 0) * (1 - share[1]) + at(0, 1) * share[1]
  lower = at(1, 0) * (1 - share[1]) + at(1, 1) * share[1]
  return (upper * (1 - share[0]) + lower * share[0]).astype(image.dtype), warped_mask


def cubic_weights(number, points=_GRID):
  """Weights of cubic interpolation between points at equal distances, the first and last at the ends.

  The curve has at each point the slope of its two neighbours' connection (Keys 1981, a = -1/2), at the ends that of the
  last two points.

  Args:
    number: at how many places, from the first point to the last.
    points: how many points, 2 or more.

  Returns:
    float32 (number, points).
  """
  place = np.linspace(0, points - 1, number)
  first = np.clip(np.floor(place).astype(int), 0, points - 2)
  t = (place - first)[:, None]
  slopes = np.gradient(np.eye(points), axis=0)
  values, following = np.eye(points)[first], np.eye(points)[first + 1]
  return (
    (1 + 2 * t) * (1 - t) ** 2 * values
    + t**2 * (3 - 2 * t) * following
    + t * (1 - t) ** 2 * slopes[first]
    + t**2 * (t - 1) * slopes[first + 1]
  ).astype(np.float32)


def recolour(image, key, options):
  """Varies brightness, contrast, saturation and hue, in this order, of one image (h, w, c) in [-1, 1]; clipped."""
  dtype, image = image.dtype, image.astype(jnp.float32)
  if options.brightness:
    image += 2 * _draw(key, 'brightness', -options.brightness, options.brightness)
  if options.contrast:
    mean = _luma(image).mean()
    image = mean + (image - mean) * (1 + _draw(key, 'contrast', -options.contrast, options.contrast))
  if options.saturation:
    grey = _luma(image)
    image = grey + (image - grey) * (1 + _draw(key, 'saturation', -options.saturation, options.saturation))
  if options.hue:
    angle = 2 * np.pi * _draw(key, 'hue', -options.hue, options.hue)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]], jnp.float32)
    to_rgb, to_yiq = np.linalg.inv(_YIQ).astype(np.float32), _YIQ.astype(np.float32)
    image = jnp.einsum('hwc,dc->hwd', image, to_rgb @ turn @ to_yiq, precision=jax.lax.Precision.HIGHEST)
  return jnp.clip(image, -1, 1).astype(dtype)


def _luma(image):
  if image.shape[-1] == 1:
    return image
  return (image * of_rank(jnp.asarray(LUMA, jnp.float32), image.ndim)).sum(axis=-1, keepdims=True)


def _mirrored(key):
  return _draw(key, 'flip', 0, 1) < 0.5


def _draw(key, name, low, high):
  drawn = jax.random.uniform(key, (len(_DRAWS),), jnp.float32)[_DRAWS.index(name)]  # one for all compiles faster
  return low + (high - low) * drawn
