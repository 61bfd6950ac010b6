"""Generative adversarial training: two networks, one game, one generator forward per step.

A step plays one minibatch. `update_order` says who moves when:

- 'disc_then_gen' (Goodfellow et al. 2014, algorithm 1 with k = 1): the discriminator first; the generator then
  answers the *updated* discriminator, with the same latents.
- 'simultaneous': both gradients at the old parameters of both networks.
- 'alternate' (the DCGAN authors' code): the generator first, then the discriminator against the *updated* generator,
  with fresh latents. The authors count a minibatch for each of the two updates (`if n_updates % 2 == 0: train_g else:
  train_d`), and the reals of the generator's minibatch go unused. A step of ours makes both updates on one minibatch,
  so that an epoch of theirs is half an epoch here.

In the first two orders the generator runs forward once per step (one `jax.vjp`): the images feed the discriminator's
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
from deconv.models import MODELS
from deconv.objectives.gan import OBJECTIVES
from deconv.rng import stream
from deconv.tasks.adversary import update_discriminator
from deconv.tasks.generation import GeneratesFromLatents
from deconv.tasks.state import NetworkState, State
from deconv.tasks.task import Task, means_of, weights_of


class Gan(GeneratesFromLatents, Task):
  """Trains a generator ('gen') and a discriminator ('disc').

  Attributes:
    generator, discriminator: Linen modules for the training step.
    eval_generator, eval_discriminator: the same with no mapped axis in their batch norm: sampling runs outside of pmap.
    latent: deconv.models.latent.Latent.
    objective: deconv.objectives.gan.Objective.
    optimizers: {'gen', 'disc'}: optax transformations.
  """

  loss_names = ('loss_gen', 'loss_disc')

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Makes the networks; see Task.

    Raises:
      UserError: an image size that the network cannot make.
    """
    super().__init__(options, make_optimizer, batch_norm_axis)
    self.generator, self.discriminator, self.latent = self.make_networks(batch_norm_axis)
    self.eval_generator, self.eval_discriminator, _ = self.make_networks(None)
    self.objective = OBJECTIVES[options.objective.name]
    self.optimizers = {'gen': make_optimizer(1.0), 'disc': make_optimizer(options.objective.disc_learning_rate_scale)}
    self.forward_size = options.eval.batch_size

  def make_networks(self, batch_norm_axis):
    """Returns (generator, discriminator, latent), see deconv.models.MODELS."""
    options = self.options
    return MODELS[options.model.name](
      options.model,
      image_shape=options.data.image_shape,
      dtype=jnp.dtype(options.train.dtype),
      batch_norm_axis=batch_norm_axis,
    )

  def init(self, key, batch):
    """Returns the State at step 0; batch['image'] (n >= 1, height, width, channels) gives the shape."""
    images = jax.ShapeDtypeStruct((2, *batch['image'].shape[1:]), jnp.float32)
    latents = jax.ShapeDtypeStruct((2, self.latent.size), jnp.float32)

    @jax.jit  # one small program instead of a hundred; lazy_init leaves the networks' forward out of it
    def create(key):
      gen = self.generator.lazy_init(stream(key, 'gen'), latents, train=False)
      disc = self.discriminator.lazy_init(stream(key, 'disc'), images, train=False)
      return State(
        step=jnp.zeros((), jnp.int32),
        networks={
          'gen': NetworkState.create(gen, self.optimizers['gen'], ema=self.options.train.ema_decay > 0),
          'disc': NetworkState.create(disc, self.optimizers['disc']),
        },
      )

    return create(key)

  # Training.

  def random_inputs(self, batch, key):
    """Returns the latents of a step, {'latent': (batch, latent)}; in the order 'alternate' also 'latent_disc'."""
    names = ('latent', 'latent_disc') if self.options.objective.update_order == 'alternate' else ('latent',)
    return {name: self.latent.sample(stream(key, name), len(batch['image'])) for name in names}

  def train_step(self, state, batch, key):
    """One minibatch: both networks are updated once, in `objective.update_order`.

    Args:
      state: State.
      batch: 'image' uint8 (batch, height, width, channels); optional 'latent' (batch, latent) instead of drawn ones,
        and 'latent_disc' for the discriminator's own in the order 'alternate'.
      key: PRNG key of this step (and device).

    Returns:
      (State, scalars): loss_gen and loss_disc (nats), accuracy_real and accuracy_fake of the discriminator in [0, 1].
    """
    batch = {**self.random_inputs(batch, key), **batch}
    reals = data.to_signed(batch['image'])
    order = self.options.objective.update_order
    gen, disc = state.networks['gen'], state.networks['disc']
    fakes, pull, gen_stats = self._forward(gen.params, gen.batch_stats, batch['latent'])

    if order == 'alternate':
      gen, loss_gen = self._update_gen(gen, gen_stats, disc, fakes, pull, key)
      fakes, _, gen_stats = self._forward(gen.params, gen.batch_stats, batch['latent_disc'])
      gen = gen.replace(batch_stats=gen_stats)
      disc, scalars = self._update_disc(disc, reals, fakes, key)
    else:
      new_disc, scalars = self._update_disc(disc, reals, fakes, key)
      opponent = new_disc if order == 'disc_then_gen' else disc
      gen, loss_gen = self._update_gen(gen, gen_stats, opponent, fakes, pull, key)
      disc = new_disc

    gen = gen.average(self.options.train.ema_decay, state.step)
    return State(step=state.step + 1, networks={'gen': gen, 'disc': disc}), {'loss_gen': loss_gen, **scalars}

  def _forward(self, params, batch_stats, latents):
    """Returns the images, the function that pulls their gradient back to (params,), and the new running statistics."""

    def generate(params):
      images, new = self.generator.apply(
        {'params': params, 'batch_stats': batch_stats}, latents, train=True, mutable=['batch_stats']
      )
      return images, new.get('batch_stats', {})

    return jax.vjp(generate, params, has_aux=True)

  def _judge(self, params, batch_stats, images, key, name):
    """Discriminator in training mode: ((batch,) logits, new running statistics)."""
    logits, new = self.discriminator.apply(
      {'params': params, 'batch_stats': batch_stats},
      images,
      train=True,
      mutable=['batch_stats'],
      rngs={'dropout': stream(key, name)},
    )
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
    (grads,) = pull(image_grads)
    return gen.update(self.optimizers['gen'], grads, gen_stats), loss

  # Evaluation and sampling.

  def eval_step(self, state, batch, key):
    """Sums of the losses and of the discriminator's right answers over the images whose batch['weight'] is 1.

    The discriminator normalises by its running statistics (reals and fakes mixed), so that an image's logit does not
    depend on its neighbours and sums over any batches add up exactly; the generator as `sample` does.
    """
    batch = {**self.random_inputs(batch, key), **batch}
    reals = data.to_signed(batch['image'])
    weight = weights_of(batch)
    disc = state.networks['disc']
    fakes = self.images_of(state, batch['latent'])
    judge = functools.partial(self.eval_discriminator.apply, disc.variables, train=False)
    real_logits, fake_logits = judge(reals), judge(fakes)
    return {
      'count': jnp.sum(weight),
      'loss_gen': jnp.sum(weight * self.objective.gen(fake_logits)),
      'loss_disc': jnp.sum(weight * self.objective.disc(real_logits, fake_logits)),
      'accuracy_real': jnp.sum(weight * (real_logits > 0).astype(weight.dtype)),
      'accuracy_fake': jnp.sum(weight * (fake_logits < 0).astype(weight.dtype)),
    }

  def summarize(self, sums):
    """Returns the means of the sums of `eval_step`: losses in nats, accuracies in [0, 1]."""
    return means_of(sums)

  def pictures(self, state, batch, key):
    """Returns {'samples': grid}, from latents that the key alone decides; points are drawn over those of the batch."""
    samples = self.sample(state, key, self.options.samples.num)
    if self.options.data.points:
      return {'samples': plots.scatter(samples, batch['image'])}
    return {'samples': plots.image_grid(np.asarray(data.to_uint8(samples)))}

  def images_of(self, state, latents):
    """Returns float32 images (n, height, width, channels) in [-1, 1], by the options use_ema and batch_stats."""
    variables = state.networks['gen'].evaluated(self.options.eval.use_ema)
    if self.options.eval.batch_stats == 'running':
      return self.eval_generator.apply(variables, latents, train=False)
    return self.eval_generator.apply(variables, latents, train=True, mutable=['batch_stats'])[0]

  def sampling_protocol(self, state):
    """Returns whether samples are of the averaged generator, what normalises them, and the size of their batches."""
    return {
      'ema': state.networks['gen'].averaged(self.options.eval.use_ema),
      'batch_stats': self.options.eval.batch_stats,
      'sample_batch_size': self.forward_size,
    }
