"""Generative adversarial training: two networks, one game, one generator forward a step.

A step plays one minibatch. `update_order` says who moves when:

- 'disc_then_gen' (Goodfellow et al. 2014, algorithm 1 with k = 1): the discriminator first; the generator then
  answers the *updated* discriminator, with the same latents.
- 'simultaneous': both gradients at the old parameters of both networks.
- 'alternate' (the DCGAN authors' code): the generator first, then the discriminator against the *updated* generator,
  with fresh latents. The authors count a minibatch for each of the two updates (`if n_updates % 2 == 0: train_g else:
  train_d`), and the reals of the generator's minibatch go unused. A step of ours makes both updates on one minibatch,
  so that an epoch of theirs is half an epoch here.

In the first two orders the generator runs forward once a step (one `jax.vjp`): the images feed the discriminator's
update, and the gradient that the discriminator then sends back to the images is pulled through the same forward.
'alternate' needs two forwards by definition. Real and generated images go through the discriminator in batches of
their own, each with its own batch statistics (as in the DCGAN authors' code); its running statistics see reals, then
fakes. The statistics of its pass in the generator's update are thrown away.
"""
import functools

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.metrics import coverage, neighbours
from deconv.models import MODELS
from deconv.objectives.gan import OBJECTIVES
from deconv.tasks.adversary import update_discriminator
from deconv.tasks.fields import choose
from deconv.rng import stream
from deconv.tasks.state import NetworkState, State

UPDATE_ORDERS = ('disc_then_gen', 'simultaneous', 'alternate')


def build(config, make_optimizer, batch_norm_axis=None):
  """Returns the Gan task of a whole config (configs/base.py); see deconv/tasks/__init__.py for the arguments.

  Raises:
    UserError: a name in the config that there is no entry for, or an image size that the network cannot make.
  """
  model = dict(config.model)
  networks = functools.partial(
      choose(MODELS, model.pop('name'), 'model.name'), **model, dtype=jnp.dtype(config.train.dtype),
      image_shape=(config.data.image_size, config.data.image_size, config.data.channels))
  scale = config.objective.disc_learning_rate_scale
  return Gan(
      networks(batch_norm_axis=batch_norm_axis), networks(),
      objective=choose(OBJECTIVES, config.objective.name, 'objective.name'),
      update_order=choose({name: name for name in UPDATE_ORDERS}, config.objective.update_order,
                           'objective.update_order'),
      gen_optimizer=make_optimizer(), disc_optimizer=make_optimizer(scale),
      ema_decay=config.train.ema_decay, use_ema=config.eval.use_ema,
      batch_stats=choose({name: name for name in ('running', 'batch')}, config.eval.batch_stats, 'eval.batch_stats'),
      sample_batch_size=config.eval.batch_size, grid_size=config.samples.num)


class Gan:
  """Trains a generator ('gen') and a discriminator ('disc'); a Task (deconv/tasks/task.py).

  Attributes:
    latent: deconv.models.latent.Latent.
  """
  loss_names = ('loss_gen', 'loss_disc')

  def __init__(self, networks, eval_networks, *, objective, gen_optimizer, disc_optimizer, update_order='disc_then_gen',
               ema_decay=0., use_ema=True, batch_stats='running', sample_batch_size=256, grid_size=64):
    """Makes the task.

    Args:
      networks: (generator, discriminator, latent) for the training step.
      eval_networks: the same with no mapped axis in their batch norm: sampling runs outside of pmap.
      objective: deconv.objectives.gan.Objective.
      gen_optimizer, disc_optimizer: optax transformations.
      update_order: one of UPDATE_ORDERS.
      ema_decay: decay a step of the averaged generator; 0 = none.
      use_ema: sample the averaged generator where there is one.
      batch_stats: normalise samples by 'running' statistics or by those of their own 'batch'.
      sample_batch_size: images in a forward of `sample`; with batch_stats='batch' they are normalised together.
      grid_size: images in the grid of `pictures`.
    """
    self.generator, self.discriminator, self.latent = networks
    self.eval_generator, self.eval_discriminator, _ = eval_networks
    self.objective = objective
    self.optimizers = {'gen': gen_optimizer, 'disc': disc_optimizer}
    self.update_order = update_order
    self.ema_decay = ema_decay
    self.use_ema = use_ema
    self.batch_stats = batch_stats
    self.sample_batch_size = sample_batch_size
    self.grid_size = grid_size
    self._generate = jax.jit(self._eval_generate)

  def init(self, key, batch):
    """Returns the State at step 0; batch['image'] (n >= 1, height, width, channels) gives the shape."""
    images = jax.ShapeDtypeStruct((2, *batch['image'].shape[1:]), jnp.float32)
    latents = jax.ShapeDtypeStruct((2, self.latent.size), jnp.float32)

    @jax.jit  # one small program instead of a hundred; lazy_init leaves the networks' forward out of it
    def create(key):
      gen = self.generator.lazy_init(stream(key, 'gen'), latents, train=False)
      disc = self.discriminator.lazy_init(stream(key, 'disc'), images, train=False)
      return State(step=jnp.zeros((), jnp.int32), networks={
          'gen': NetworkState.create(gen, self.optimizers['gen'], ema=self.ema_decay > 0),
          'disc': NetworkState.create(disc, self.optimizers['disc'])})
    return create(key)

  # Training.

  def draw(self, batch, key):
    """Returns the latents of a step, {'latent': (batch, latent)}; in the order 'alternate' also 'latent_disc'.

    Whoever runs the step on many devices calls this to lay the latents out like the images, and hands them in.
    """
    names = ('latent', 'latent_disc') if self.update_order == 'alternate' else ('latent',)
    return {name: self.latent.draw(stream(key, name), len(batch['image'])) for name in names}

  def train_step(self, state, batch, key):
    """One minibatch: both networks are updated once, in `update_order`.

    Args:
      state: State.
      batch: 'image' uint8 (batch, height, width, channels); optional 'latent' (batch, latent) instead of drawn ones,
        and 'latent_disc' for the discriminator's own in the order 'alternate'.
      key: PRNG key of this step (and device).

    Returns:
      (State, scalars): loss_gen and loss_disc (nats), accuracy_real and accuracy_fake of the discriminator in [0, 1].
    """
    batch = {**self.draw(batch, key), **batch}
    reals = data.to_signed(batch['image'])
    gen, disc = state.networks['gen'], state.networks['disc']
    fakes, pull, gen_stats = self._forward(gen.params, gen.batch_stats, batch['latent'])

    if self.update_order == 'alternate':
      gen, loss_gen = self._update_gen(gen, gen_stats, disc, fakes, pull, key)
      fakes, _, gen_stats = self._forward(gen.params, gen.batch_stats, batch['latent_disc'])
      gen = gen.replace(batch_stats=gen_stats)
      disc, scalars = self._update_disc(disc, reals, fakes, key)
    else:
      new_disc, scalars = self._update_disc(disc, reals, fakes, key)
      opponent = new_disc if self.update_order == 'disc_then_gen' else disc
      gen, loss_gen = self._update_gen(gen, gen_stats, opponent, fakes, pull, key)
      disc = new_disc

    gen = gen.average(self.ema_decay, state.step)
    return State(step=state.step + 1, networks={'gen': gen, 'disc': disc}), {'loss_gen': loss_gen, **scalars}

  def _forward(self, params, batch_stats, latents):
    """Returns the images, the function that pulls their gradient back to (params,), and the new running statistics."""
    def generate(params):
      images, new = self.generator.apply({'params': params, 'batch_stats': batch_stats}, latents, train=True,
                                         mutable=['batch_stats'])
      return images, new.get('batch_stats', {})
    return jax.vjp(generate, params, has_aux=True)

  def _judge(self, params, batch_stats, images, key, name):
    """Discriminator in training mode: ((batch,) logits, new running statistics)."""
    logits, new = self.discriminator.apply({'params': params, 'batch_stats': batch_stats}, images, train=True,
                                           mutable=['batch_stats'], rngs={'dropout': stream(key, name)})
    return logits, new.get('batch_stats', {})

  def _update_disc(self, disc, reals, fakes, key):
    def judge(params, batch_stats, images, kind):
      return self._judge(params, batch_stats, images, key, f'dropout_{kind}')
    return update_discriminator(disc, judge, self.objective, self.optimizers['disc'], reals, fakes)

  def _update_gen(self, gen, gen_stats, disc, fakes, pull, key):
    def loss_fn(images):
      logits, _ = self._judge(disc.params, disc.batch_stats, images, key, 'dropout_gen')
      return jnp.mean(self.objective.gen(logits))
    loss, image_grads = jax.value_and_grad(loss_fn)(fakes)
    grads, = pull(image_grads)
    return gen.update(self.optimizers['gen'], grads, gen_stats), loss

  # Evaluation and sampling.

  def eval_step(self, state, batch, key):
    """Sums of the losses and of the discriminator's right answers over the images whose batch['weight'] is 1.

    The discriminator normalises by its running statistics (reals and fakes mixed), so that an image's logit does not
    depend on its neighbours and sums over any batches add up exactly; the generator as `sample` does.
    """
    batch = {**self.draw(batch, key), **batch}
    reals = data.to_signed(batch['image'])
    weight = batch['weight'] if 'weight' in batch else jnp.ones(len(reals))
    disc = state.networks['disc']
    fakes = self._eval_generate(state, batch['latent'])
    judge = functools.partial(self.eval_discriminator.apply, disc.variables, train=False)
    real_logits, fake_logits = judge(reals), judge(fakes)
    return {'count': jnp.sum(weight),
            'loss_gen': jnp.sum(weight * self.objective.gen(fake_logits)),
            'loss_disc': jnp.sum(weight * self.objective.disc(real_logits, fake_logits)),
            'accuracy_real': jnp.sum(weight * (real_logits > 0)),
            'accuracy_fake': jnp.sum(weight * (fake_logits < 0))}

  def summarize(self, sums):
    """Returns the means of the sums of `eval_step`: losses in nats, accuracies in [0, 1]."""
    return {name: float(value) / float(sums['count']) for name, value in sums.items() if name != 'count'}

  def pictures(self, state, batch, key):
    """Returns {'samples': grid}, from latents that the key alone decides."""
    del batch
    return {'samples': plots.image_grid(np.asarray(data.to_uint8(self.sample(state, key, self.grid_size))))}

  def sample(self, state, key, num):
    """Returns float32 images (num, height, width, channels) in [-1, 1], by the options use_ema and batch_stats."""
    return self.generate(state, self.latent.draw(stream(key, 'latent'), num))

  def interpolate(self, state, key, rows, columns):
    """Returns float32 images (rows * columns, height, width, channels): each row goes from one latent to another."""
    ends = self.latent.draw(stream(key, 'latent'), 2 * rows).reshape(rows, 2, -1)
    return self.generate(state, jnp.concatenate([self.latent.interpolate(*pair, columns) for pair in ends]))

  def generate(self, state, latents):
    """Returns the float32 images (n, height, width, channels) in [-1, 1] of latents (n, latent), batch by batch."""
    num, size = len(latents), self.sample_batch_size
    # The last batch is filled up with the first latents: one compiled shape, and statistics of a full batch.
    latents = np.resize(np.asarray(latents), (-(-num // size) * size, self.latent.size)) if num > size else latents
    parts = [np.asarray(self._generate(state, latents[i:i + size])) for i in range(0, len(latents), size)]
    return np.concatenate(parts)[:num]

  def _eval_generate(self, state, latents):
    gen = state.networks['gen']
    variables = gen.ema if self.use_ema and gen.ema is not None else gen.variables
    if self.batch_stats == 'running':
      return self.eval_generator.apply(variables, latents, train=False)
    return self.eval_generator.apply(variables, latents, train=True, mutable=['batch_stats'])[0]

  def evaluate_samples(self, state, source, key, num, *, seed=0, reference_limit=10_000, shown=32):
    """Judges samples by a data source: class coverage (labelled sources) and nearest real neighbours.

    A fifth of the real images looked at is held out from the classifier and from the reference that neighbours are
    sought in, not from the generator's training: they calibrate the numbers.

    Args:
      state: State.
      source: deconv.data.Source of real images.
      key: PRNG key of the latents.
      num: number of samples.
      seed: of the choice of reference images and of the classifier.
      reference_limit: at most so many real images, drawn at random, are looked at.
      shown: samples in the picture.

    Returns:
      ({name: number}, {'neighbours': uint8 image}, protocol): see deconv.metrics.coverage and
        deconv.metrics.neighbours.
    """
    samples = np.asarray(data.to_uint8(self.sample(state, key, num)))
    reference, heldout, labels = coverage.split(source, reference_limit, seed)
    protocol = {
        'source': source.name, 'num_samples': num, 'num_reference': len(reference), 'num_heldout': len(heldout),
        'num_source': len(source), 'fingerprint': source.fingerprint(),
        'ema': bool(self.use_ema and state.networks['gen'].ema is not None), 'batch_stats': self.batch_stats,
        'sample_batch_size': self.sample_batch_size, 'step': int(state.step), 'seed': seed}
    numbers, matches = neighbours.compare(samples, reference, heldout)
    protocol['distance'] = neighbours.PROTOCOL
    if labels is not None and source.num_classes:
      found, extra = coverage.measure(samples, reference, heldout, labels, source.num_classes, seed)
      numbers.update(found)
      protocol.update(extra)
    picture = neighbours.picture(samples[:shown], reference[matches[:shown]])
    stamp = [f"{num} samples, step {protocol['step']}, {'EMA' if protocol['ema'] else 'no EMA'}, "
             f'{self.batch_stats} statistics, seed {seed}',
             f'odd rows: samples; under each its nearest of {len(reference)} images of {source.name}']
    return numbers, {'neighbours': plots.caption(picture, '\n'.join(stamp))}, protocol
