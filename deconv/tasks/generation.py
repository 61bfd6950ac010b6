"""Images from latents, batch by batch: the common part of every task that has a generator or a decoder."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from deconv.rng import stream
from deconv.tasks.capabilities import Generates


class GeneratesFromLatents(Generates):
  """A task that makes an image of each latent.

  A subclass sets these attributes in its constructor, and gives `images_of` and `sampling_protocol`.

  Attributes:
    latent: deconv.models.latent.Latent, where the latents of the training come from.
    drawn: those of all images that are drawn from the trained network: the same, truncated by `eval.truncation`.
    forward_size: latents in a forward of the network; where samples are normalised by their own batch, that batch.
  """

  def images_of(self, state, latents):
    """Returns float32 images (n, height, width, channels) in [-1, 1] of latents (n, latent); traced."""
    raise NotImplementedError

  def sample(self, state, key, num):
    """Returns float32 images (num, height, width, channels) in [-1, 1] of latents that the key alone decides."""
    return self.generate(state, self.drawn.sample(stream(key, 'latent'), num))

  def interpolate(self, state, key, rows, columns):
    """Returns float32 images (rows * columns, height, width, channels): each row goes from one latent to another."""
    ends = self.drawn.sample(stream(key, 'latent'), 2 * rows).reshape(rows, 2, -1)
    return self.generate(state, jnp.concatenate([self.latent.interpolate(*pair, columns) for pair in ends]))

  def generate(self, state, latents):
    """Returns the float32 images (n, height, width, channels) in [-1, 1] of latents (n, latent), batch by batch."""
    num, size = len(latents), self.forward_size
    # The last batch is filled up with the first latents: one compiled shape, and statistics of a full batch.
    latents = np.resize(np.asarray(latents), (-(-num // size) * size, self.latent.size)) if num > size else latents
    parts = [np.asarray(self._compiled(state, latents[i : i + size])) for i in range(0, len(latents), size)]
    return np.concatenate(parts)[:num]

  @functools.cached_property
  def _compiled(self):
    return jax.jit(self.images_of)
