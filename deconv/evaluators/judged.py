"""Features of samples and of real images, computed once for all evaluators that compare them, and their protocol.

The real images are those that the run was trained on. Samples are drawn and looked at CHUNK of reference.py at a time,
so that no more images than these are held.
"""

import dataclasses

import jax
import numpy as np

from deconv import data
from deconv.errors import UserError
from deconv.evaluators import reference, samples
from deconv.metrics import frechet
from deconv.tasks.capabilities import Generates, MakesImages, Reconstructs


@dataclasses.dataclass(frozen=True)
class Judged:
  """What is compared.

  Attributes:
    real: deconv.evaluators.reference.Reference.
    features: float32 (n, d) of the samples.
    logits: float32 (n, classes) of the samples; None where the network has none.
    moments: deconv.metrics.frechet.Moments of the samples' features.
    protocol: {name: what JSON can hold}: the stamp of every number.
  """

  real: reference.Reference
  features: np.ndarray
  logits: np.ndarray | None
  moments: frechet.Moments
  protocol: dict


_memory = samples.Memory()


def judge(task, state, source, key, options, network):
  """Makes images and looks at them and at the real images through a network; the last result is remembered.

  Args:
    task: a Task that MakesImages.
    state: State on one device.
    source: deconv.data.Source of the real images.
    key: PRNG key of the samples.
    options: deconv.options.EvalOptions.
    network: deconv.metrics.features.FeatureNetwork.

  Returns:
    Judged.

  Raises:
    UserError: images that the network cannot take, or a file of statistics that does not fit.
  """
  objects = (task, state, source, network)
  others = (np.asarray(jax.random.key_data(key)).tobytes(), options)
  found = _memory.find(objects, others)
  if found is None:
    found = _judge(task, state, source, key, options, network)
    _memory.keep(objects, others, found)
  return found


def _judge(task, state, source, key, options, network):
  real = reference.of_source(source, options, network)
  images = Images(task, state, source, key, options)
  features, logits, moments = reference.look(network, images.chunk, images.number)
  if features.shape[1] != len(real.mean):
    raise UserError(
      f'the statistics of the real images are of {len(real.mean)} features, and {network.name} has '
      f'{features.shape[1]}: give the network that they are of'
    )
  protocol = {
    'protocol_version': reference.VERSION,
    'n_fake': images.number,
    'size': 'x'.join(map(str, source.image_shape)),
    **network.protocol(),
    **real.protocol,
    **images.protocol,
    'step': int(state.step),
    'seed': samples.SEED,
  }
  return Judged(real, features, logits, moments, protocol)


class Images:
  """The images that are judged, reference.CHUNK at a time: by `eval.judged` samples, or images of the evaluation split,
  made again or as they are.

  Args:
    task: a Task that MakesImages.
    state, source, key, options: see `judge`.

  Attributes:
    number: how many there are.
    protocol: {name: what JSON can hold}: what they are, and how they are made.

  Raises:
    UserError: a task that cannot make them, or no evaluation split where they are of one.
  """

  def __init__(self, task, state, source, key, options):
    self._task, self._state, self._key = task, state, key
    self._originals, self.number = None, options.num_samples
    self._as_they_are = options.judged == 'real'
    needs = of_judged(options)
    if not isinstance(task, needs):
      raise UserError(f"eval.judged='{options.judged}' needs a task that {needs.__name__}; choose another value")
    if needs is Generates:
      self.protocol = {'judged': options.judged, **task.sampling_protocol(state)}
    else:
      if not source.options.eval_split:
        raise UserError(
          f"eval.judged='{options.judged}' is of the evaluation split, there is none: set data.eval_split"
        )
      self._originals = data.open_source(source.options.held_out, source.options.eval_split)
      self._order = np.random.default_rng(samples.SEED).permutation(len(self._originals))
      self.number = min(self.number, len(self._originals))
      self.protocol = {
        'judged': options.judged,
        'made_of': source.options.eval_split,
        'made_of_fingerprint': self._originals.content_fingerprint(),
        **({} if self._as_they_are else task.remaking_protocol(state)),
      }

  def chunk(self, i):
    """Returns the images i * reference.CHUNK and following, uint8 (n, height, width, channels); fewer at the end."""
    first, key = i * reference.CHUNK, jax.random.fold_in(self._key, i)
    last = min(first + reference.CHUNK, self.number)
    if self._originals is None:
      found = self._task.sample(self._state, key, last - first)
    else:
      originals = np.asarray(self._originals.take(self._order[first:last])['image'])
      if self._as_they_are:
        return originals
      found = self._task.remake(self._state, originals, key)
    return np.asarray(data.to_uint8(found))

  def at(self, indices):
    """Returns the images uint8 (k, height, width, channels) of some indices (k,), made once more."""
    found = {}
    for i in sorted({int(index) // reference.CHUNK for index in indices}):
      made = self.chunk(i)
      found.update({int(index): made[index % reference.CHUNK] for index in indices if index // reference.CHUNK == i})
    return np.stack([found[int(index)] for index in indices])


def of_judged(options):
  """Returns the class of deconv.tasks.capabilities that `eval.judged` needs (options: deconv.options.EvalOptions)."""
  return {'samples': Generates, 'reconstructions': Reconstructs, 'real': MakesImages}[options.judged]


def check(condition, name, found, wanted):
  """A self-test: a program that does not give what is known gives no number at all.

  Raises:
    UserError: the condition does not hold.
  """
  if not condition:
    raise UserError(
      f'the self-test of {name} gives {found:.6g} in place of {wanted}, so nothing is measured: look at the features '
      'of the real images'
    )
