"""Differentiable augmentation of what a discriminator sees (Zhao et al. 2020, "DiffAugment"), on the device.

The same policy stands between both kinds of images and the discriminator, in both updates, and the generator's gradient
goes through it. So the discriminator never sees an image that it could learn by heart, and the augmentation does not
leak into the samples. Every image has a key of its own: what is drawn for it depends neither on its batch nor on its
device.
"""

import jax
import jax.numpy as jnp

from deconv.rng import streams

_SHIFT = 0.125  # translation: largest shift, as a share of the side
_CUT = 0.5  # cutout: side of the hole, as a share of the side


def augment(images, keys, policies):
  """Applies policies one after the other.

  Args:
    images: float (batch, height, width, channels) in [-1, 1].
    keys: PRNG keys (batch,).
    policies: names, keys of POLICIES.

  Returns:
    The shape and type of images; `colour` may leave [-1, 1], as in the authors' code.
  """
  for name in policies:
    images = jax.vmap(POLICIES[name])(images, streams(keys, name))
  return images


def colour(image, key):
  """Brightness +-0.5, saturation 0 to 2, contrast 0.5 to 1.5 of an image (height, width, channels)."""
  drawn = jax.random.uniform(key, (3,), image.dtype)
  image = image + (drawn[0] - 0.5)
  grey = jnp.mean(image, axis=-1, keepdims=True)
  image = (image - grey) * (2 * drawn[1]) + grey
  middle = jnp.mean(image)
  return (image - middle) * (drawn[2] + 0.5) + middle


def translation(image, key):
  """Moves an image by up to an eighth of its sides; what comes in is 0, the middle grey."""
  height, width, channels = image.shape
  most = int(height * _SHIFT + 0.5), int(width * _SHIFT + 0.5)
  padded = jnp.pad(image, ((most[0],) * 2, (most[1],) * 2, (0, 0)))
  start = [jax.random.randint(part, (), 0, 2 * shift + 1) for part, shift in zip(jax.random.split(key), most)]
  return jax.lax.dynamic_slice(padded, (*start, 0), (height, width, channels))


def cutout(image, key):
  """Sets a square of half the side to 0; its middle lies anywhere, so parts of it may lie outside."""
  inside = []
  for part, side in zip(jax.random.split(key), image.shape[:2]):
    hole = int(side * _CUT + 0.5)
    first = jax.random.randint(part, (), 0, side + (1 - hole % 2)) - hole // 2
    places = jnp.arange(side)
    inside.append((places >= first) & (places < first + hole))
  return jnp.where((inside[0][:, None] & inside[1])[..., None], jnp.zeros((), image.dtype), image)


def flip(image, key):
  """Mirrors an image with probability 1/2; not one of the paper's, for consistency regularisation."""
  return jnp.where(jax.random.bernoulli(key, jnp.float32(0.5)), image[:, ::-1], image)


POLICIES = {'colour': colour, 'translation': translation, 'cutout': cutout, 'flip': flip}
