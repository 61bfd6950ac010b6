"""A task small enough that a test run takes seconds: two linear layers with batch statistics, noise and an average."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from deconv.configs import base
from deconv.data import to_signed
from deconv.options.run import TrainOptions
from deconv.rng import stream
from deconv.tasks.state import NetworkState, State
from deconv.tasks.task import Task
from deconv.training import experiment, loop


class TinyTask(Task):
  """Regresses a label from an image; its statistics and average make every part of the state change."""

  def __init__(self, options, make_optimizer, batch_norm_axis, noise=0.1, poison_step=None):
    super().__init__(options, make_optimizer, batch_norm_axis)
    self.optimizer = make_optimizer(1.0)
    self.axis = batch_norm_axis
    self.noise = noise
    self.poison_step = poison_step  # whose loss is nan

  def init(self, key, batch):
    size = int(np.prod(batch['image'].shape[1:]))
    params = {
      'kernel': 0.1 * jax.random.normal(stream(key, 'kernel'), (size, 8)),
      'dense': 0.1 * jax.random.normal(stream(key, 'dense'), (8,)),
    }
    variables = {'params': params, 'batch_stats': {'mean': jnp.zeros(8)}}
    net = NetworkState.create(variables, self.optimizer, ema=True)
    return State(step=jnp.zeros((), jnp.int32), networks={'net': net})

  def _predict(self, params, images, mean=None):
    y = images.reshape(len(images), -1) @ params['kernel']
    if mean is None:
      mean = y.mean(0)
      mean = jax.lax.pmean(mean, self.axis) if self.axis else mean
    return jnp.tanh(y - mean) @ params['dense'], mean

  def train_step(self, state, batch, key):
    net = state.networks['net']
    images = to_signed(batch['image'])
    if 'latent' in batch:
      images = images + batch['latent']
    else:
      images = images + self.noise * jax.random.normal(stream(key, 'noise'), images.shape)
    targets = batch['label'].astype(jnp.float32)

    def loss_fn(params):
      outputs, mean = self._predict(params, images)
      return jnp.mean((outputs - targets) ** 2), mean

    (loss, mean), grads = jax.value_and_grad(loss_fn, has_aux=True)(net.params)
    if self.poison_step is not None:
      loss = jnp.where(state.step == self.poison_step, jnp.nan, loss)
    stats = {'mean': 0.9 * net.batch_stats['mean'] + 0.1 * mean}
    net = net.update(self.optimizer, grads, stats).average(TrainOptions(ema_decay=0.9), state.step)
    return State(step=state.step + 1, networks={'net': net}), {'loss': loss, 'spread': jnp.std(targets)}

  def eval_step(self, state, batch, key):
    net = state.networks['net']
    outputs, _ = self._predict(net.params, to_signed(batch['image']), net.batch_stats['mean'])
    errors = (outputs - batch['label']) ** 2
    return {'count': batch['weight'].sum(), 'error': (batch['weight'] * errors).sum()}

  def summarize(self, sums):
    return {'error': float(sums['error']) / float(sums['count'])}

  def pictures(self, state, batch, key):
    kernel = np.asarray(state.networks['net'].params['kernel'])
    image = np.clip(128 + 300 * kernel[..., None], 0, 255).astype(np.uint8)
    return {'kernel': image}


def make_batch(step, size=8, side=6):
  """A batch of random images with labels, the same for the same step."""
  rng = np.random.default_rng(step)
  return {
    'image': rng.integers(0, 256, (size, side, side, 1), dtype=np.uint8),
    'label': rng.integers(0, 10, size).astype(np.int32),
  }


def make(optimizer, batch_norm_axis=None, **options):
  """Returns the task with one optax optimizer, outside of any run."""
  return TinyTask(None, lambda scale: optimizer, batch_norm_axis, **options)


def make_config(**overrides):
  """A config of this task on 8x8 digits: 20 steps, a line each 2, a checkpoint each 5. Overrides: section__field."""
  config = base.get_config()
  config.update_from_flattened_dict(
    {
      'compilation_cache': '',
      'eval.evaluators': (),
      'data.image_size': 8,
      'train.steps': 20,
      'train.batch_size': 8,
      'log.every': 2,
      'checkpoint.every': 5,
      'samples.every': 5,
      'eval.every': 10,
      'eval.batch_size': 100,
      'optimizer.learning_rate': 0.01,
    }
  )
  config.update_from_flattened_dict({name.replace('__', '.'): value for name, value in overrides.items()})
  return config


def train(config, folder, allow_config_change=False, **task):
  """Trains the task by the loop; `task` are arguments of TinyTask."""
  run = experiment.prepare(config, functools.partial(TinyTask, **task))
  return loop.train(run, folder, allow_config_change=allow_config_change)
