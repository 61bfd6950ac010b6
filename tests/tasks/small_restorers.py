"""What the tests of restoration share: small tasks of every kind, and smooth pictures."""

import jax
import numpy as np

from deconv.options import Experiment
from deconv.training import experiment
from deconv.training.parallel import Parallel

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)

_MODELS = {
  'fsrcnn': {'width': 6, 'shrunk': 4, 'depth': 1},
  'rednet': {'depth': 6, 'width': 6},
  'context_encoder': {'width': 4, 'bottleneck': 8},
  'autoencoder': {'width': 4, 'depth': 2},
}

SUPERRES = dict(degrade__scale=2, model__residual='bicubic', optimizer__learning_rate=3e-3)
INPAINT = dict(
  model='context_encoder',
  degrade__hole='box',
  objective__outside=0.0,
  objective__ring=1,
  objective__adversarial=0.01,
  objective__disc_width=4,
  objective__l2=0.99,
)


def make_options(model='fsrcnn', colour='grey', side=16, **fields):
  """Returns the Experiment of a small network; `fields` are written section__field."""
  nested = {
    'task': 'restoration',
    'model': {'name': model, **_MODELS.get(model, {})},
    'objective': {'colour': colour},
    'data': {'channels': 1 if colour == 'grey' else 3, 'image_size': side},
  }
  for name, value in fields.items():
    section, field = name.split('__')
    nested.setdefault(section, {})[field] = value
  return Experiment.from_config(nested)


def build(*args, parallel=None, **fields):
  """Returns the task of `make_options` with the optimizer of a run of ten steps."""
  return experiment.build_task(make_options(*args, **fields), parallel or Parallel(), 10)


def smooth(number, side, channels):
  """Random pictures uint8 (number, side, side, channels) without pixel noise: a few waves in each channel."""
  at = np.arange(side) / side
  waves = [np.cos(2 * np.pi * (f * at[:, None] + g * at + p)) for f, g, p in RNG.uniform(0, 3, (5, 3))]
  mix = RNG.normal(size=(number, channels, len(waves))) / 3
  return np.clip(127.5 + 90 * np.einsum('nck,khw->nhwc', mix, waves), 0, 255).astype(np.uint8)


def init(task):
  """Returns the state at step 0."""
  return task.init(KEY, None)


def lively(state):
  """Returns the state with a network that does much more than its first one, whose last layer is nearly zero."""
  net = state.networks['net']
  last = jax.tree.map(lambda x: 50 * np.asarray(x), net.params['last'])
  return state.replace(networks={**state.networks, 'net': net.replace(params={**net.params, 'last': last})})
