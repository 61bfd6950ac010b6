"""Variational autoencoders: an encoder and a decoder trained on a bound of log p(x), measured in nats an image.

What a step draws at random it derives from one random key an image, `batch['noise_key']`: an image's numbers do not
depend on the batch or the device that it is in, and sums over any split of the data are the same.
"""
import statistics

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.errors import UserError
from deconv.metrics import disentanglement
from deconv.models import AUTOENCODERS
from deconv.models.latent import Latent
from deconv.objectives import elbo
from deconv.objectives.likelihoods import LIKELIHOODS
from deconv.objectives.regularizers import REGULARIZERS
from deconv.rng import stream
from deconv.tasks.fields import check_fields, choose, choose_fitting
from deconv.tasks.state import NetworkState, State

_ACTIVE = 0.01  # variance of a latent's mean over the data above which it is active (Burda et al. 2016, section 5.2)


def _iwae():
  """The importance-weighted bound takes `objective.samples` and no other field."""


def build(config, make_optimizer, batch_norm_axis=None):
  """Returns the Vae task of a whole config (configs/base.py); see deconv/tasks/__init__.py for the arguments.

  Raises:
    UserError: a name in the config that there is no entry for, a field without effect, or an image size that the
      network cannot make.
  """
  del batch_norm_axis  # no batch norm
  return Vae(**task_options(config, make_optimizer))


def task_options(config, make_optimizer, regularizers=REGULARIZERS):
  """Returns the arguments of `Vae` that a config says; for other tasks made of the same parts, too.

  Args:
    config: whole config.
    make_optimizer: see deconv/tasks/__init__.py.
    regularizers: {objective.name: builder}.
  """
  fields = dict(config.objective)
  name, likelihood_name, samples = fields.pop('name'), fields.pop('likelihood'), fields.pop('samples')
  if samples < 1:
    raise UserError(f'objective.samples={samples} must be at least 1; change it')
  tables = {'objective.name': (name, {**regularizers, 'iwae': _iwae}),
            'objective.likelihood': (likelihood_name, LIKELIHOODS)}
  if likelihood_name in LIKELIHOODS and likelihood_name != 'bernoulli':
    _leave_grey(fields, likelihood_name)
  regularizer, likelihood = choose_fitting(tables, fields)
  channels = config.data.channels
  shape = (config.data.image_size, config.data.image_size, channels)
  model = dict(config.model)
  builder = choose(AUTOENCODERS, model.pop('name'), 'model.name')
  check_fields(builder, model, f"model.name='{config.model.name}'")
  networks = builder(image_shape=shape, outputs=likelihood.outputs(channels), dtype=jnp.dtype(config.train.dtype),
                     **model)
  return dict(
      networks=networks, latent_size=config.model.latent_size, likelihood=likelihood, image_shape=shape,
      likelihood_name=likelihood_name, regularizer=regularizer, samples=samples, optimizer=make_optimizer(),
      ema_decay=config.train.ema_decay, use_ema=config.eval.use_ema, importance_samples=config.eval.importance_samples,
      importance_chunk=config.eval.importance_chunk, forward_size=config.eval.batch_size, grid_size=config.samples.num)


def _leave_grey(fields, likelihood):
  """Only Bernoulli targets are binarised; the others score the grey levels."""
  if fields.pop('binarization', 'grey') != 'grey':
    raise UserError(f"objective.likelihood='{likelihood}' scores grey levels; set objective.binarization to grey")


class Vae:
  """Trains one network 'vae' with params {'encoder', 'decoder'}; a Task (deconv/tasks/task.py).

  Attributes:
    encoder: Linen module, images in [-1, 1] -> (batch, 2 * latent).
    decoder: Linen module, (batch, latent) -> (batch, h, w, outputs).
    likelihood: see deconv.objectives.likelihoods.
    prior: deconv.models.latent.Latent, standard normal.
  """
  loss_names = ('loss',)

  def __init__(self, networks, *, latent_size, likelihood, image_shape, optimizer, regularizer, likelihood_name='',
               samples=1, ema_decay=0., use_ema=True, importance_samples=0, importance_chunk=10, forward_size=256,
               grid_size=64):
    """Makes the task.

    Args:
      networks: (encoder, decoder).
      latent_size: length of z.
      likelihood: see deconv.objectives.likelihoods.
      image_shape: (height, width, channels).
      optimizer: optax transformation.
      regularizer: see deconv.objectives.regularizers; None = the importance-weighted bound of `samples`.
      likelihood_name: what the protocol calls it.
      samples: codes drawn for each image of a training step.
      ema_decay: decay a step of the averaged parameters; 0 = none.
      use_ema: evaluate and sample the averaged parameters where there are any.
      importance_samples: codes an image for the estimate of log p(x) in the evaluation; 0 = none.
      importance_chunk: how many of them are decoded at once.
      forward_size: images in a forward of `sample` and the like.
      grid_size: images in the grids of `pictures`.
    """
    self.encoder, self.decoder = networks
    self.prior = Latent(latent_size, 'normal')
    self.likelihood, self.likelihood_name = likelihood, likelihood_name
    self.image_shape = tuple(image_shape)
    self.optimizer = optimizer
    self.regularizer = regularizer
    self.samples = samples
    self.ema_decay, self.use_ema = ema_decay, use_ema
    self.importance_samples = importance_samples
    self.importance_chunk = max(1, min(importance_chunk, importance_samples))
    self.forward_size = forward_size
    self.grid_size = grid_size
    self._decode_images = jax.jit(lambda state, z: self.likelihood.mean(
        self.decode(self._eval_params(state), z), self.image_shape[-1]))
    self._reconstruct = jax.jit(self._reconstruction)
    self._encode_means = jax.jit(
        lambda state, images: self.encode(self._eval_params(state), data.to_signed(images)).mean)
    self._score = jax.jit(lambda state, batch: self._evaluate(self._eval_params(state), batch)['neg_elbo'])

  # Networks.

  def init(self, key, batch):
    """Returns the State at step 0; batch['image'] (n >= 1, height, width, channels) gives the shape."""
    images = jax.ShapeDtypeStruct((2, *batch['image'].shape[1:]), jnp.float32)
    codes = jax.ShapeDtypeStruct((2, self.prior.size), jnp.float32)

    @jax.jit  # one small program instead of a hundred; lazy_init leaves the networks' forward out of it
    def create(key):
      params = {'encoder': self.encoder.lazy_init(stream(key, 'encoder'), images)['params'],
                'decoder': self.decoder.lazy_init(stream(key, 'decoder'), codes)['params']}
      return State(step=jnp.zeros((), jnp.int32), networks={
          'vae': NetworkState.create({'params': params}, self.optimizer, ema=self.ema_decay > 0)})
    return create(key)

  def encode(self, params, inputs):
    """Images (batch, h, w, c) in [-1, 1] -> elbo.Posterior of (batch, latent)."""
    return elbo.make_posterior(self.encoder.apply({'params': params['encoder']}, inputs))

  def decode(self, params, z):
    """Codes (..., latent) -> the likelihood's parameters (..., h, w, outputs)."""
    outputs = self.decoder.apply({'params': params['decoder']}, z.reshape(-1, z.shape[-1]))
    return outputs.reshape(*z.shape[:-1], *outputs.shape[1:])

  def _eval_params(self, state):
    vae = state.networks['vae']
    return vae.ema['params'] if self.use_ema and vae.ema is not None else vae.params

  # Random numbers.

  def draw(self, batch, key):
    """Returns {'noise_key': uint32 (batch, 2)}: the data of one random key an image, from which all its noise comes."""
    return {'noise_key': jax.random.key_data(jax.random.split(key, len(batch['image'])))}

  def noise(self, keys, name, samples):
    """Standard normal (samples, batch, latent) of the named stream of each image's key."""
    draw = lambda key: jax.random.normal(stream(key, name), (samples, self.prior.size))
    return jnp.swapaxes(jax.vmap(draw)(keys), 0, 1)

  def targets(self, batch, keys):
    """Returns what the likelihood scores, (batch, h, w, c): binarised or dequantised images."""
    return self.likelihood.targets(batch['image'], jax.vmap(lambda key: stream(key, 'targets'))(keys))

  # Training.

  def train_step(self, state, batch, key):
    """One minibatch.

    Args:
      state: State.
      batch: 'image' uint8 (batch, height, width, channels); optional 'noise_key', see `draw`.
      key: PRNG key of this step (and device).

    Returns:
      (State, scalars): see `loss`.
    """
    batch = {**self.draw(batch, key), **batch}
    vae = state.networks['vae']
    grads, scalars = jax.grad(self.loss, has_aux=True)(vae.params, batch, state.step)
    vae = vae.update(self.optimizer, grads, vae.batch_stats).average(self.ema_decay, state.step)
    return state.replace(step=state.step + 1, networks={**state.networks, 'vae': vae}), scalars

  def loss(self, params, batch, step):
    """What is minimised.

    Args:
      params: {'encoder', 'decoder'}.
      batch: 'image' and 'noise_key'.
      step: int32 scalar, steps done.

    Returns:
      (loss, scalars): `loss`; `distortion`, -E log p(x|z); `rate`, KL(q(z|x) || p(z)); `neg_elbo`, their sum, all in
        nats an image; and those of the regularizer.
    """
    keys = jax.random.wrap_key_data(batch['noise_key'])
    targets = self.targets(batch, keys)
    posterior = self.encode(params, self.likelihood.inputs(targets))
    noise = self.noise(keys, 'latent', self.samples)
    z = elbo.reparameterize(posterior, noise)
    log_likelihood = self.likelihood.log_prob(self.decode(params, z), targets)       # samples b
    distortion = -jnp.mean(log_likelihood)
    rate = jnp.mean(jnp.sum(elbo.kl_standard_normal(posterior), axis=-1))
    if self.regularizer is None:
      loss, extra = -jnp.mean(elbo.iwae(elbo.log_weights(posterior, noise, log_likelihood))), {}
    else:
      penalty, extra = self.regularizer(posterior, z[0], step)
      loss = distortion + penalty
    return loss, {'loss': loss, 'neg_elbo': distortion + rate, 'distortion': distortion, 'rate': rate, **extra}

  # Evaluation.

  def eval_step(self, state, batch, key):
    """Sums over the images whose batch['weight'] is 1, of -ELBO with one code an image and its parts (nats), of the
    importance estimate of -log p(x), and of the posterior means and their squares (for the number of active ones)."""
    batch = {**self.draw(batch, key), **batch}
    weight = batch['weight'] if 'weight' in batch else jnp.ones(len(batch['image']))
    values = self._evaluate(self._eval_params(state), batch, importance=True)
    return {'count': jnp.sum(weight), **{name: weight @ value for name, value in values.items()}}

  def _evaluate(self, params, batch, importance=False):
    """{name: (batch,) or (batch, latent)} of a batch that has its noise keys."""
    keys = jax.random.wrap_key_data(batch['noise_key'])
    targets = self.targets(batch, keys)
    posterior = self.encode(params, self.likelihood.inputs(targets))
    z = elbo.reparameterize(posterior, self.noise(keys, 'latent', 1))[0]
    distortion = -self.likelihood.log_prob(self.decode(params, z), targets)
    rate = jnp.sum(elbo.kl_standard_normal(posterior), axis=-1)
    values = {'neg_elbo': distortion + rate, 'distortion': distortion, 'rate': rate, 'mean': posterior.mean,
              'mean_square': jnp.square(posterior.mean)}
    if importance and self.importance_samples:
      values['nll'] = -self.log_marginal(params, targets, posterior, keys)
    return values

  def log_marginal(self, params, targets, posterior, keys):
    """Importance-sampling estimate of log p(x), the posterior as proposal (Burda et al. 2016, section 5): (batch,)."""
    def chunk(i):
      noise = self.noise(jax.vmap(lambda key: jax.random.fold_in(key, i))(keys), 'importance', self.importance_chunk)
      outputs = self.decode(params, elbo.reparameterize(posterior, noise))
      return elbo.log_weights(posterior, noise, self.likelihood.log_prob(outputs, targets))
    return elbo.streaming_log_mean_exp(chunk, self.importance_samples, self.importance_chunk)

  def summarize(self, sums):
    """Returns neg_elbo, distortion, rate and nll (nats an image), bits_per_dim (of neg_elbo) and nll_bits_per_dim
    (where the likelihood is one of the 256 levels) and active_latents (number) from the sums of `eval_step`."""
    count = float(sums['count'])
    means = {name: np.asarray(value, np.float64) / count for name, value in sums.items() if name != 'count'}
    variance = means.pop('mean_square') - means.pop('mean')**2
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
    binarization = getattr(self.likelihood, 'binarization', 'grey')
    protocol = {'likelihood': self.likelihood_name, 'binarization': binarization, 'unit': 'nats an image',
                'elbo_samples': 1, 'ema': bool(self.use_ema and state.networks['vae'].ema is not None)}
    if binarization == 'static':
      protocol['binarization_seed'] = self.likelihood.binarization_seed
    if self.importance_samples:
      protocol['importance_samples'] = self.importance_samples
    return protocol

  def score_images(self, state, batch, key):
    """Returns {'neg_elbo': float32 (batch,)}, nats: how badly the model explains each image, an anomaly score."""
    return {'neg_elbo': np.asarray(self._score(state, {**self.draw(batch, key), **batch}))}

  def evaluate_samples(self, state, source, key, num, **options):
    """Scores the disentanglement of the latents where the data set knows its factors; nothing elsewhere.

    Args:
      state: State.
      source: Source; with factors a deconv.data.rendered.factors.FactorSource.
      key: PRNG key, of the images.
      num: number of images.
      **options: not used.

    Returns:
      ({name: number}, {}, protocol), see deconv.metrics.disentanglement.
    """
    del options
    if not source.factor_sizes:
      return {}, {}, {}
    seed = int(np.asarray(jax.random.key_data(key)).astype(np.uint32).ravel()[-1])
    numbers, protocol = disentanglement.measure(lambda images: self.means(state, images), source, num, seed)
    return numbers, {}, protocol

  def means(self, state, images):
    """Returns the posterior means float32 (n, latent) of uint8 images (n, height, width, channels), batch by batch."""
    size = min(self.forward_size, len(images))
    whole = np.resize(images, (-(-len(images) // size) * size, *images.shape[1:]))
    parts = [np.asarray(self._encode_means(state, whole[i:i + size])) for i in range(0, len(whole), size)]
    return np.concatenate(parts)[:len(images)]

  # Pictures.

  def pictures(self, state, batch, key):
    """Returns the grids 'samples' (from the prior) and 'reconstructions', and with two latents 'manifold'."""
    shown = max(1, self.grid_size // 2)
    pictures = {'samples': _grid(self.sample(state, key, self.grid_size)),
                'reconstructions': _grid(self.reconstruct(state, batch['image'][:shown], key),
                                         2 * max(1, int(np.sqrt(shown / 2))))}
    if self.prior.size == 2:
      side = max(2, int(np.sqrt(self.grid_size)))
      pictures['manifold'] = _grid(self.manifold(state, side), side)
    return pictures

  def sample(self, state, key, num):
    """Returns float32 images (num, height, width, channels) in [-1, 1]: the means of p(x|z), z from the prior."""
    return self.generate(state, self.prior.draw(stream(key, 'latent'), num))

  def interpolate(self, state, key, rows, columns):
    """Returns float32 images (rows * columns, height, width, channels): each row goes from one code to another."""
    ends = self.prior.draw(stream(key, 'latent'), 2 * rows).reshape(rows, 2, -1)
    return self.generate(state, jnp.concatenate([self.prior.interpolate(*pair, columns) for pair in ends]))

  def traverse(self, state, key, rows, columns, start=None, reach=3.):
    """Moves one latent at a time.

    Args:
      state: State.
      key: of the start, unless it is given.
      rows: the first so many latents are moved, at most all.
      columns: values from -reach to reach.
      start: code (latent,) that the others are left at; None = one from the prior.
      reach: in standard deviations of the prior.

    Returns:
      float32 images (min(rows, latents) * columns, height, width, channels), a row a latent.
    """
    start = self.prior.draw(stream(key, 'latent'), 1)[0] if start is None else start
    rows = min(rows, self.prior.size)
    codes = np.tile(np.asarray(start, np.float32), (rows, columns, 1))
    codes[np.arange(rows), :, np.arange(rows)] = np.linspace(-reach, reach, columns)
    return self.generate(state, codes.reshape(rows * columns, -1))

  def manifold(self, state, side):
    """Returns float32 images (side * side, height, width, channels) over the plane of two latents, by rows; the codes
    are quantiles of the prior (Kingma & Welling 2014, appendix A).

    Raises:
      UserError: another number of latents than two.
    """
    if self.prior.size != 2:
      raise UserError(f'the manifold is a plane of two latents and this model has {self.prior.size}; '
                      'train one with model.latent_size=2, or ask for a traversal')
    quantiles = np.array([statistics.NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)], np.float32)
    down, right = np.meshgrid(-quantiles, quantiles, indexing='ij')
    return self.generate(state, np.stack([right.ravel(), down.ravel()], axis=-1))

  def generate(self, state, codes):
    """Returns the float32 images (n, height, width, channels) in [-1, 1] of codes (n, latent), batch by batch."""
    num, size = len(codes), self.forward_size
    # The last batch is filled up with the first codes: one compiled shape.
    codes = np.resize(np.asarray(codes), (-(-num // size) * size, self.prior.size)) if num > size else codes
    parts = [np.asarray(self._decode_images(state, codes[i:i + size])) for i in range(0, len(codes), size)]
    return np.concatenate(parts)[:num]

  def reconstruct(self, state, images, key):
    """Returns float32 images (2 * n, height, width, channels): what the encoder saw of each, and its reconstruction.

    Args:
      state: State.
      images: uint8 (n, height, width, channels).
      key: of the binarisation and the codes' noise; the codes are the posterior means.
    """
    batch = {'image': jnp.asarray(images)}
    pairs = self._reconstruct(state, {**batch, **self.draw(batch, key)})
    return np.asarray(jnp.stack(pairs, axis=1).reshape(-1, *self.image_shape))

  def _reconstruction(self, state, batch):
    params = self._eval_params(state)
    inputs = self.likelihood.inputs(self.targets(batch, jax.random.wrap_key_data(batch['noise_key'])))
    outputs = self.decode(params, self.encode(params, inputs).mean)
    return inputs, self.likelihood.mean(outputs, self.image_shape[-1])


def _grid(images, columns=None):
  return plots.image_grid(np.asarray(data.to_uint8(images)), columns)
