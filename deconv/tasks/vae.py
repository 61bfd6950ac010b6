"""Variational autoencoders: an encoder and a decoder trained on a bound of log p(x), measured in nats per image.

What a step draws at random it derives from one random key per image, `batch['noise_key']`: an image's numbers do not
depend on the batch or the device that it is in, and sums over any split of the data are the same.
"""

import functools
import statistics
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.errors import UserError
from deconv.models import AUTOENCODERS
from deconv.models.latent import Latent
from deconv.objectives import elbo
from deconv.objectives.likelihoods import LIKELIHOODS
from deconv.objectives.regularizers import REGULARIZERS
from deconv.rng import noise_keys, stream, streams
from deconv.tasks.capabilities import Encodes, Looking, LooksAtImages, Reconstructs, ScoresImages, TraversesLatents
from deconv.tasks.generation import GeneratesFromLatents
from deconv.tasks.state import NetworkState, State, compiled_fast
from deconv.tasks.task import Task, batch_by_batch, weights_of

_ACTIVE = 0.01  # variance of a latent's mean over the data above which it is active (Burda et al. 2016, section 5.2)


class Bound(NamedTuple):
  """The parts of a bound on log p(x) of a batch; see `Vae.bound`. One code per image may stand without its first axis.

  Attributes:
    targets: (batch, h, w, c), what the likelihood scores.
    encoded: elbo.Posterior of (batch, latent), the encoder's.
    posterior: elbo.Posterior of (batch, latent), of which codes were drawn: the encoder's, unless it was changed.
    noise: standard normal (samples, batch, latent), from which they were made.
    z: (samples, batch, latent), the codes.
    log_likelihood: (samples, batch), log p(x|z), nats.
    rate: (batch,), KL(q(z|x) || p(z)), nats.
  """

  targets: jax.Array
  encoded: elbo.Posterior
  posterior: elbo.Posterior
  noise: jax.Array
  z: jax.Array
  log_likelihood: jax.Array
  rate: jax.Array

  def scalars(self):
    """Returns {'distortion', 'rate', 'neg_elbo'}, means over codes and batch, nats per image."""
    distortion, rate = -jnp.mean(self.log_likelihood), jnp.mean(self.rate)
    return {'neg_elbo': distortion + rate, 'distortion': distortion, 'rate': rate}


class Vae(GeneratesFromLatents, TraversesLatents, Reconstructs, Encodes, LooksAtImages, ScoresImages, Task):
  """Trains one network 'vae' with params {'encoder', 'decoder'}; a Task (deconv/tasks/task.py).

  Attributes:
    encoder: Linen module, images in [-1, 1] -> (batch, 2 * latent).
    decoder: Linen module, (batch, latent) -> (batch, h, w, outputs).
    likelihood: see deconv.objectives.likelihoods.
    regularizer: see deconv.objectives.regularizers; None = the importance-weighted bound of `objective.samples`.
    latent, drawn: deconv.models.latent.Latent, standard normal; see GeneratesFromLatents.
    optimizer: optax transformation.
  """

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Makes the networks; see Task.

    Raises:
      UserError: an image size that the network cannot make.
    """
    super().__init__(options, make_optimizer, batch_norm_axis)
    self.image_shape = options.data.image_shape
    self.likelihood = LIKELIHOODS[options.objective.likelihood](options.objective)
    self.regularizer = self.make_regularizer()
    self.encoder, self.decoder = self.make_networks()
    self.latent = Latent(options.model.latent_size, 'normal')
    self.drawn = self.latent.truncated(options.eval.truncation)
    self.optimizer = make_optimizer(1.0)
    self.forward_size = options.eval.batch_size
    self._reconstruct = jax.jit(self._reconstruction)
    self._encode_means = jax.jit(
      lambda state, images: self.encode(self._eval_params(state), data.to_signed(images)).mean
    )
    self._score = jax.jit(lambda state, batch: self._evaluate(self._eval_params(state), batch)['neg_elbo'])

  def make_networks(self):
    """Returns (encoder, decoder), see deconv.models.AUTOENCODERS."""
    options = self.options
    return AUTOENCODERS[options.model.name](
      options.model,
      image_shape=self.image_shape,
      outputs=self.likelihood.outputs(self.image_shape[-1]),
      dtype=jnp.dtype(options.train.dtype),
    )

  def make_regularizer(self):
    """Returns what is added to the reconstruction error, see deconv.objectives.regularizers; None for 'iwae'."""
    objective = self.options.objective
    return None if objective.name == 'iwae' else REGULARIZERS[objective.name](objective)

  # Networks.

  def init(self, key, batch):
    """Returns the State at step 0; batch['image'] (n >= 1, height, width, channels) gives the shape."""
    images = jax.ShapeDtypeStruct((2, *batch['image'].shape[1:]), jnp.float32)
    codes = jax.ShapeDtypeStruct((2, self.latent.size), jnp.float32)

    @compiled_fast  # lazy_init leaves the forward pass out of it
    def create(key):
      params = {
        'encoder': self.encoder.lazy_init(stream(key, 'encoder'), images)['params'],
        'decoder': self.decoder.lazy_init(stream(key, 'decoder'), codes)['params'],
      }
      return State(
        step=jnp.zeros((), jnp.int32),
        networks={'vae': NetworkState.create({'params': params}, self.optimizer, ema=self.options.train.ema_decay > 0)},
      )

    return create(key)

  def looking(self, state):
    """See LooksAtImages: the encoder."""
    variables = {'params': self._eval_params(state)['encoder']}
    return Looking(lambda images: self.encoder.apply(variables, images), variables)

  def encode(self, params, inputs):
    """Images (batch, h, w, c) in [-1, 1] -> elbo.Posterior of (batch, latent)."""
    return elbo.make_posterior(self.encoder.apply({'params': params['encoder']}, inputs))

  def decode(self, params, z):
    """Codes (..., latent) -> the likelihood's parameters (..., h, w, outputs)."""
    outputs = self.decoder.apply({'params': params['decoder']}, z.reshape(-1, z.shape[-1]))
    return outputs.reshape(*z.shape[:-1], *outputs.shape[1:])

  def log_likelihood(self, params, z, targets):
    """log p(x|z) of codes (samples, batch, latent) or (batch, latent): (samples, batch) or (batch,), nats.

    The codes are decoded with the batch as the first axis. Merged with another before it, it could not stay divided
    over devices, and each of them would decode the codes of all images. The barrier keeps XLA from fusing the exchange
    of the axes into the decoder's first matrix product, for which its GPU compiler then finds no tiles.
    """
    if z.ndim == 2:
      return self.likelihood.log_prob(self.decode(params, z), targets)
    samples, batch, latent = z.shape
    codes = jax.lax.optimization_barrier(jnp.swapaxes(z, 0, 1).reshape(-1, latent))
    outputs = self.decode(params, codes)
    outputs = outputs.reshape(batch, samples, *outputs.shape[1:])
    return jnp.swapaxes(self.likelihood.log_prob(outputs, targets[:, None]), 0, 1)

  def _eval_params(self, state):
    return state.networks['vae'].evaluated(self.options.eval.use_ema)['params']

  # Random numbers.

  def random_inputs(self, batch, key):
    """Returns {'noise_key': uint32 (batch, 2)}, see deconv.rng.noise_keys."""
    return noise_keys(batch, key)

  def noise(self, keys, name, samples):
    """Standard normal (samples, batch, latent) of the named stream of each image's key."""
    draw = lambda key: jax.random.normal(stream(key, name), (samples, self.latent.size), jnp.float32)
    return jnp.swapaxes(jax.vmap(draw)(keys), 0, 1)

  def targets(self, batch, keys):
    """Returns what the likelihood scores, (batch, h, w, c): binarised or dequantised images."""
    return self.likelihood.targets(batch['image'], streams(keys, 'targets'))

  # Training.

  def train_step(self, state, batch, key):
    """One minibatch.

    Args:
      state: State.
      batch: 'image' uint8 (batch, height, width, channels); optional 'noise_key', see `random_inputs`.
      key: PRNG key of this step (and device).

    Returns:
      (State, scalars): see `loss`.
    """
    batch = {**self.random_inputs(batch, key), **batch}
    vae = state.networks['vae']
    grads, scalars = jax.grad(self.loss, has_aux=True)(vae.params, batch, state.step)
    return self.updated(state, grads), scalars

  def updated(self, state, grads, **networks):
    """Returns the state after one update of the autoencoder, with other networks as given."""
    vae = state.networks['vae']
    vae = vae.update(self.optimizer, grads, vae.batch_stats).average(self.options.train, state.step)
    return state.replace(step=state.step + 1, networks={**state.networks, 'vae': vae, **networks})

  def bound(self, params, batch, samples, change=lambda posterior: posterior):
    """What every loss and measurement of an autoencoder is made of.

    Args:
      params: {'encoder', 'decoder'}.
      batch: 'image' and 'noise_key'.
      samples: codes drawn per image; None = one, without an axis for them: an axis of 1 would move the last digits of
        the sums over pixels.
      change: Posterior -> Posterior, what is done to the encoder's before codes are drawn from it.

    Returns:
      Bound.
    """
    keys = jax.random.wrap_key_data(batch['noise_key'])
    targets = self.targets(batch, keys)
    encoded = self.encode(params, self.likelihood.inputs(targets))
    posterior = change(encoded)
    noise = self.noise(keys, 'latent', 1)[0] if samples is None else self.noise(keys, 'latent', samples)
    z = elbo.reparameterize(posterior, noise)
    log_likelihood = self.log_likelihood(params, z, targets)
    return Bound(targets, encoded, posterior, noise, z, log_likelihood, elbo.rate(posterior))

  def loss(self, params, batch, step):
    """What is minimised.

    Args:
      params: {'encoder', 'decoder'}.
      batch: 'image' and 'noise_key'.
      step: int32 scalar, steps done.

    Returns:
      (loss, scalars): `loss`; `distortion`, -E log p(x|z); `rate`, KL(q(z|x) || p(z)); `neg_elbo`, their sum, all in
        nats per image; and those of the regularizer.
    """
    bound = self.bound(params, batch, self.options.objective.samples)
    scalars = bound.scalars()
    if self.regularizer is None:
      loss, extra = -jnp.mean(elbo.iwae(elbo.log_weights(bound.posterior, bound.noise, bound.log_likelihood))), {}
    else:
      penalty, extra = self.regularizer(bound.posterior, bound.z[0], step)
      loss = scalars['distortion'] + penalty
    return loss, {'loss': loss, **scalars, **extra}

  # Evaluation.

  def eval_step(self, state, batch, key):
    """Sums over the images whose batch['weight'] is 1, of -ELBO with one code per image and its parts (nats), of the
    importance estimate of -log p(x), and of the posterior means and their squares (for the number of active ones)."""
    batch = {**self.random_inputs(batch, key), **batch}
    weight = weights_of(batch)
    values = self._evaluate(self._eval_params(state), batch, importance=self.options.eval.importance_samples > 0)
    return {
      'count': jnp.sum(weight),
      **{name: jnp.matmul(weight, value, precision='highest') for name, value in values.items()},
    }

  def _evaluate(self, params, batch, importance=False):
    """{name: (batch,) or (batch, latent)} of a batch that has its noise keys."""
    bound = self.bound(params, batch, samples=None)
    distortion, mean = -bound.log_likelihood, bound.posterior.mean
    values = {
      'neg_elbo': distortion + bound.rate,
      'distortion': distortion,
      'rate': bound.rate,
      'mean': mean,
      'mean_square': jnp.square(mean),
    }
    if importance:
      keys = jax.random.wrap_key_data(batch['noise_key'])
      values['nll'] = -self.log_marginal(params, bound.targets, bound.posterior, keys)
    return values

  def log_marginal(self, params, targets, posterior, keys):
    """Importance-sampling estimate of log p(x), the posterior as proposal (Burda et al. 2016, section 5): (batch,)."""
    samples = self.options.eval.importance_samples
    size = min(self.options.eval.importance_chunk, samples)

    def chunk(i):
      noise = self.noise(jax.vmap(lambda key: jax.random.fold_in(key, i))(keys), 'importance', size)
      log_likelihood = self.log_likelihood(params, elbo.reparameterize(posterior, noise), targets)
      return elbo.log_weights(posterior, noise, log_likelihood)

    return elbo.streaming_log_mean_exp(chunk, samples, size)

  def summarize(self, sums):
    """Returns neg_elbo, distortion, rate and nll (nats per image), bits_per_dim (of neg_elbo) and nll_bits_per_dim
    (where the likelihood is one of the 256 levels) and active_latents (number) from the sums of `eval_step`."""
    count = float(sums['count'])
    means = {name: np.asarray(value, np.float64) / count for name, value in sums.items() if name != 'count'}
    variance = means.pop('mean_square') - means.pop('mean') ** 2
    metrics = {name: float(value) for name, value in means.items()}
    if self.likelihood.counts_levels:
      dims = int(np.prod(self.image_shape))
      metrics['bits_per_dim'] = elbo.bits_per_dim(metrics['neg_elbo'], dims)
      if 'nll' in metrics:
        metrics['nll_bits_per_dim'] = elbo.bits_per_dim(metrics['nll'], dims)
    metrics['active_latents'] = int(np.sum(variance > _ACTIVE))
    return metrics

  def protocol(self, state):
    """Returns what has to stand beside the numbers of `summarize`."""
    options, scored = self.options, self.likelihood.protocol()
    protocol = {
      'likelihood': options.objective.likelihood,
      'binarization': scored.pop('binarization'),
      'unit': 'nats an image',
      'elbo_samples': 1,
      'ema': state.networks['vae'].averaged(options.eval.use_ema),
      **scored,
    }
    if options.eval.importance_samples:
      protocol['importance_samples'] = options.eval.importance_samples
    return protocol

  def sampling_protocol(self, state):
    """Returns how samples are made."""
    return {
      'ema': state.networks['vae'].averaged(self.options.eval.use_ema),
      'images': 'means of p(x|z)',
      'truncation': self.drawn.truncation,
    }

  def remake(self, state, images, key):
    """Returns the means of p(x|z), z the mean of q(z|x), of images uint8 (n, h, w, c): float32 in [-1, 1]; see
    Reconstructs. The key is that of the binarisation."""
    size, parts = min(self.forward_size, len(images)), []
    batch = {'image': images}
    batch.update(self.random_inputs(batch, key))  # of all images at once: no number depends on the batches
    for i in range(0, len(images), size):
      part = {name: np.resize(x[i : i + size], (size, *x.shape[1:])) for name, x in batch.items()}  # one compiled shape
      parts.append(np.asarray(self._reconstruct(state, part)[1])[: len(images) - i])
    return np.concatenate(parts)

  def remaking_protocol(self, state):
    """Returns how images are made again."""
    return {
      'ema': state.networks['vae'].averaged(self.options.eval.use_ema),
      'images': 'means of p(x|z), z the mean of q(z|x)',
    }

  def score_images(self, state, batch, key):
    """Returns {'neg_elbo': float32 (batch,)}, nats: how badly the model explains each image, an anomaly score."""
    return {'neg_elbo': np.asarray(self._score(state, {**self.random_inputs(batch, key), **batch}))}

  def means(self, state, images):
    """Returns the posterior means float32 (n, latent) of uint8 images (n, height, width, channels), batch by batch."""
    return batch_by_batch(functools.partial(self._encode_means, state), self.forward_size, images)

  # Pictures.

  def pictures(self, state, batch, key):
    """Returns the grids 'samples' (from the prior) and 'reconstructions', and with two latents 'manifold'."""
    number = self.options.samples.num
    shown = max(1, number // 2)
    pictures = {
      'samples': _grid(self.sample(state, key, number)),
      'reconstructions': _grid(
        self.reconstruct(state, batch['image'][:shown], key), 2 * max(1, int(np.sqrt(shown / 2)))
      ),
    }
    if self.latent.size == 2:
      side = max(2, int(np.sqrt(number)))
      pictures['manifold'] = _grid(self.manifold(state, side), side)
    return pictures

  def images_of(self, state, latents):
    """Returns the means of p(x|z), float32 (n, height, width, channels) in [-1, 1], of codes (n, latent); traced."""
    return self.likelihood.mean(self.decode(self._eval_params(state), latents), self.image_shape[-1])

  def traverse(self, state, key, rows, columns, start=None, reach=3.0):
    """Moves one latent at a time.

    Args:
      state: State.
      key: of the start, unless it is given.
      rows: the first so many latents are moved, at most all.
      columns: values from -reach to reach.
      start: code (latent,) that the others are left at; None = one from the prior.
      reach: in standard deviations of the prior.

    Returns:
      float32 images (min(rows, latents) * columns, height, width, channels), a row per latent.
    """
    start = self.drawn.sample(stream(key, 'latent'), 1)[0] if start is None else start
    rows = min(rows, self.latent.size)
    codes = np.tile(np.asarray(start, np.float32), (rows, columns, 1))
    codes[np.arange(rows), :, np.arange(rows)] = np.linspace(-reach, reach, columns)
    return self.generate(state, codes.reshape(rows * columns, -1))

  def manifold(self, state, side):
    """Returns float32 images (side * side, height, width, channels) over the plane of two latents, by rows; the codes
    are quantiles of the prior (Kingma & Welling 2014, appendix A).

    Raises:
      UserError: another number of latents than two.
    """
    if self.latent.size != 2:
      raise UserError(
        f'a manifold needs a model with two latents, and this one has {self.latent.size}; '
        'train one with model.latent_size=2, or ask for a traversal'
      )
    quantiles = np.array([statistics.NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)], np.float32)
    down, right = np.meshgrid(-quantiles, quantiles, indexing='ij')
    return self.generate(state, np.stack([right.ravel(), down.ravel()], axis=-1))

  def reconstruct(self, state, images, key):
    """Returns float32 images (2 * n, height, width, channels): what the encoder saw of each, and its reconstruction.

    Args:
      state: State.
      images: uint8 (n, height, width, channels).
      key: of the binarisation and the codes' noise; the codes are the posterior means.
    """
    batch = {'image': jnp.asarray(images)}
    pairs = self._reconstruct(state, {**batch, **self.random_inputs(batch, key)})
    return np.asarray(jnp.stack(pairs, axis=1).reshape(-1, *self.image_shape))

  def _reconstruction(self, state, batch):
    params = self._eval_params(state)
    inputs = self.likelihood.inputs(self.targets(batch, jax.random.wrap_key_data(batch['noise_key'])))
    outputs = self.decode(params, self.encode(params, inputs).mean)
    return inputs, self.likelihood.mean(outputs, self.image_shape[-1])


def _grid(images, columns=None):
  return plots.image_grid(np.asarray(data.to_uint8(images)), columns)
