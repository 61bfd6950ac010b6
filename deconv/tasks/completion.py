"""Semantic completion: the latent whose image fits what is known of another (Yeh et al. 2017, arXiv 1607.07539).

The search minimises, by Adam and from several random latents at once,

  sum over known pixels of W |G(z) - y| + lambda * prior(G(z)),

where W is the share of missing pixels around a known one, and the prior is log(1 - D(G(z))) (or what the objective has
in its place). After each step what is uniform in the latent is put back into [-1, 1]. Labels and categorical codes stay
as they are. The networks keep their statistics, so that every latent is searched as if it were alone.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from deconv import data
from deconv.metrics import baselines, image_quality
from deconv.objectives import completion as losses
from deconv.rng import stream
from deconv.tasks import poisson


class Completion(NamedTuple):
  """What the searches of images ended with.

  Attributes:
    images: float32 (n, height, width, channels) in [-1, 1], generated whole: the known pixels too.
    latents: float32 (n, latent).
    losses: {'total', 'context', 'prior'}: float32 (n, restarts); the prior before its weight.
    kept: int (n,), the restart of each that ended with the lowest total; images and latents are those.
  """

  images: np.ndarray
  latents: np.ndarray
  losses: dict
  kept: np.ndarray


def search(task, state, images, hole, key, options, labels=None, batch=256):
  """Looks for the latents of images with holes, batch by batch (host).

  Args:
    task: a task that deconv.tasks.capabilities.SearchesLatents.
    state: State.
    images: uint8, or floats in [-1, 1], (n >= 1, height, width, channels); what is in the hole is not looked at.
    hole: (n, height, width, 1), above 0 where a pixel is missing.
    key: PRNG key; image i starts from the latents of fold_in(key, i), whatever the others.
    options: deconv.options.completion.CompletionOptions.
    labels: int (n,), of a task with classes; None elsewhere.
    batch: latents that are searched at once; at least those of one image.

  Returns:
    Completion.
  """
  number, restarts = len(images), options.restarts
  state = task.settled(state)
  weights = np.asarray(losses.neighbourhood_weights(hole, options.window))
  images = np.where(np.asarray(hole) > 0, 0, np.asarray(data.to_signed(images)))
  keys = jax.vmap(lambda i: stream(jax.random.fold_in(key, i), 'latent'))(jnp.arange(number))
  labels = [None] * number if labels is None else [np.full(restarts, label) for label in labels]
  latents = np.stack([np.asarray(task.latent.sample(one, restarts, given)) for one, given in zip(keys, labels)])

  size = min(number, max(1, batch // restarts))
  descend = jax.jit(lambda *given: _descend(task, options, *given))
  parts = []
  for start in range(0, number, size):
    # One compiled shape: the last part is filled up with the first images.
    chosen = np.arange(start, start + size) % number
    parts.append(jax.device_get(descend(state, latents[chosen], images[chosen], weights[chosen])))
  made, latents, values = jax.tree.map(lambda *x: np.concatenate(x)[:number], *parts)
  total = values['total']
  kept = np.argmin(np.where(np.isfinite(total), total, np.inf), axis=1)
  return Completion(made[np.arange(number), kept], latents[np.arange(number), kept], values, kept)


def _descend(task, options, state, latents, images, weights):
  """The search of some images: latents (n, restarts, latent) -> (images (n, restarts, h, w, c), latents, losses)."""
  number, restarts, _ = latents.shape
  images, weights = (jnp.repeat(x, restarts, axis=0) for x in (images, weights))
  latents = latents.reshape(number * restarts, -1)
  labels, moves = task.latent.labels(latents), jnp.asarray(task.latent.moves, latents.dtype)
  optimizer = optax.adam(options.learning_rate)

  def measure(latents):
    made = task.image_of_each(state, latents).astype(jnp.float32)
    values = {'context': losses.context(made, images, weights), 'prior': task.prior(state, made, labels)}
    values['total'] = values['context'] + options.prior_weight * values['prior']
    return jnp.sum(values['total']), (made, values)

  def step(_, carry):
    latents, memory = carry
    gradient, _ = jax.grad(measure, has_aux=True)(latents)
    with jax.numpy_dtype_promotion('standard'):  # optax mixes floats with its int32 counts
      updates, memory = optimizer.update(moves * gradient, memory)
    return task.latent.within(latents + updates), memory

  latents, _ = jax.lax.fori_loop(0, options.iterations, step, (latents, optimizer.init(latents)))
  _, (made, values) = measure(latents)
  return jax.tree.map(lambda x: x.reshape(number, restarts, *x.shape[1:]), (made, latents, values))


def compared(found, images, hole):
  """Returns {name: images (n, h, w, c) in [-1, 1], completed}: '' by the generated pixels as they are, 'blended' into
  their border, and two that need no network, 'mean' and 'biharmonic' (deconv.metrics.baselines); host.

  Args:
    found: Completion.
    images: floats (n, h, w, c) in [-1, 1]; what is in the hole is not looked at.
    hole: (n, h, w, 1), above 0 where a pixel is missing.
  """
  images = np.where(np.asarray(hole) > 0, 0, np.asarray(images, np.float32))
  return {
    '': np.where(np.asarray(hole) > 0, found.images, images),
    'blended': np.clip(poisson.blend(found.images, images, hole), -1, 1),
    'mean': np.asarray(baselines.mean_fill(images, hole)),
    'biharmonic': baselines.biharmonic_fill(images, hole),
  }


def quality(fills, images, hole):
  """Returns {'l1_hole', 'psnr_hole', and both with '_NAME' of the other fills: floats (n,)}; see image_quality."""
  found = {}
  for name, fill in fills.items():
    for measure in (image_quality.l1_hole, image_quality.psnr_hole):
      found['_'.join([measure.__name__, *([name] if name else [])])] = np.asarray(measure(fill, images, hole))
  return found


def protocol(task, state, options):
  """Returns what stands beside these numbers."""
  sampling = task.sampling_protocol(state)
  return {
    'restarts': options.restarts,
    'iterations': options.iterations,
    'learning_rate': options.learning_rate,
    'window': options.window,
    'prior_weight': options.prior_weight,
    'ema': sampling['ema'],
    'batch_stats': sampling['batch_stats'] if sampling['batch_stats'] == 'standing' else 'running',
    'l1_hole_is': 'mean absolute error in the hole, 1 = from black to white',
    'psnr_hole_is': 'mean over images of the PSNR of the pixels in the hole of each, peak 255, clipped and rounded to '
    '256 levels',
  }
