"""Can a classifier tell samples from real images? The classifier two-sample test (Lopez-Paz & Oquab 2017)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from deconv import data
from deconv.evaluators import samples
from deconv.evaluators.evaluator import Evaluator
from deconv.models import CLASSIFIERS
from deconv.objectives.classification import cross_entropy
from deconv.options.models.classifiers import CnnOptions
from deconv.rng import stream
from deconv.tasks.capabilities import Generates

HELD_OUT = 0.5  # share of both kinds that the classifier is tested on and has not seen
STEPS, BATCH, LEARNING_RATE, SEED = 600, 64, 1e-3, 0
_IMAGES = CnnOptions(num_classes=2, widths=(16, 32), convs=1, hidden=(64,), dropout=0.3)
_POINTS = CnnOptions(num_classes=2, widths=(), hidden=(64, 64))
_FORWARD = 500  # images that are looked at together in the test


def measure(task, state, source, key, options):
  """Trains a small network to tell samples from real images, and tests it on others of both kinds.

  1/2 is perfect: the network is as good as a coin. 1 means that every sample gives itself away. The real images are
  those of the split that the generator is trained on, so a generator that copies them all is not found out; see the
  evaluator `neighbours` for that.

  Args:
    task: a task that Generates.
    state, source, key, options: see Evaluator; `num_samples` of each kind are looked at, or as many as there are.

  Returns:
    ({'two_sample_accuracy': share of the held-out images, as many real as generated, whose kind is named rightly},
    {}, protocol).
  """
  drawn = samples.draw(task, state, source, key, options)
  real = np.concatenate([drawn.reference, drawn.heldout])
  number = min(len(real), len(drawn.samples))
  if number < 4:
    return {}, {}, {}
  network = _POINTS if source.options.points else _IMAGES
  accuracy, tested = tell_apart(real[:number], drawn.samples[:number], network)
  protocol = {
    **drawn.protocol,
    'two_sample': f'{network.name}, widths {network.widths}, hidden {network.hidden}, {STEPS} steps of {BATCH}, Adam '
    f'{LEARNING_RATE:g}, seed {SEED}',
    'two_sample_trained_on': 2 * (number - tested),
    'two_sample_tested_on': 2 * tested,
  }
  return {'two_sample_accuracy': accuracy}, {}, protocol


def tell_apart(real, generated, options):
  """Trains and tests the classifier; a function of its arguments alone.

  Args:
    real, generated: (n >= 4, height, width, channels), uint8 or of points float32; in no order.
    options: CnnOptions of two classes.

  Returns:
    (accuracy in [0, 1], number of held-out images of each kind).
  """
  tested = max(1, round(HELD_OUT * len(real)))
  cut = len(real) - tested
  train = np.concatenate([real[:cut], generated[:cut]])
  test = np.concatenate([real[cut:], generated[cut:]])
  variables = _train(options, jnp.asarray(train))
  named = [_predict(options, variables, test[i : i + _FORWARD]) for i in range(0, len(test), _FORWARD)]
  return float(np.mean(np.concatenate(named) == np.repeat([0, 1], tested))), tested


def _network(options):
  return CLASSIFIERS[options.name](options, dtype=jnp.float32, batch_norm_axis=None)


@functools.partial(jax.jit, static_argnums=0)
def _train(options, images):
  """Returns the variables after the training; the first half of the images is of class 0, the second of class 1."""
  network, optimizer, key = _network(options), optax.adam(LEARNING_RATE), jax.random.key(SEED)
  half = len(images) // 2
  variables = network.init(stream(key, 'init'), data.to_signed(images[:2]), train=False)
  stats = variables.get('batch_stats', {})

  def step(carried, key):
    params, stats, moments = carried
    # As many of each kind, so that the statistics of a batch do not tell how many there are.
    chosen = jax.random.randint(stream(key, 'images'), (2, BATCH // 2), 0, half)
    chosen = (chosen + jnp.array([[0], [half]])).reshape(-1)
    seen, labels = data.to_signed(images[chosen]), jnp.repeat(jnp.arange(2), BATCH // 2)

    def loss(params):
      (logits, _), new = network.apply(
        {'params': params, 'batch_stats': stats},
        seen,
        train=True,
        mutable=['batch_stats'],
        rngs={'dropout': stream(key, 'dropout')},
      )
      return jnp.mean(cross_entropy(logits, labels)), new.get('batch_stats', {})

    grads, stats = jax.grad(loss, has_aux=True)(params)
    with jax.numpy_dtype_promotion('standard'):  # optax mixes floats with its int32 counts
      updates, moments = optimizer.update(grads, moments, params)
      return (optax.apply_updates(params, updates), stats, moments), None

  start = variables['params'], stats, optimizer.init(variables['params'])
  (params, stats, _), _ = jax.lax.scan(step, start, jax.random.split(stream(key, 'steps'), STEPS))
  return {'params': params, 'batch_stats': stats}


@functools.partial(jax.jit, static_argnums=0)
def _predict(options, variables, images):
  return _network(options).apply(variables, data.to_signed(images), train=False)[0].argmax(-1)


EVALUATOR = Evaluator(measure, needs=Generates, split='train')
