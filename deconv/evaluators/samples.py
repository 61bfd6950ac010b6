"""Samples and the real images that they are judged by: drawn once for all evaluators that look at them."""

from typing import NamedTuple
import weakref

import jax
import numpy as np

from deconv import data

HELD_OUT = 0.2  # share of the real images that the numbers are calibrated by, at least one of them
REFERENCE_LIMIT = 10_000  # at most so many real images, drawn at random, are looked at
SEED = 0  # of the choice of real images


class Drawn(NamedTuple):
  """What is compared.

  A fifth of the real images looked at is held out from the reference, not from the generator's training: they say what
  a number would be for real images.

  Attributes:
    samples: uint8 (n, height, width, channels), generated; of points float32, and so are the others.
    reference: uint8 (m, height, width, channels), real.
    heldout: uint8 (k, height, width, channels), other real images of the same source.
    labels: int pair ((m,), (k,)) of the real images; None for an unlabelled source.
    protocol: {name: what JSON can hold}.
  """

  samples: np.ndarray
  reference: np.ndarray
  heldout: np.ndarray
  labels: tuple[np.ndarray, np.ndarray] | None
  protocol: dict


class Memory:
  """The last result and what it was made for, known by weak references: it is gone with the first of them."""

  def __init__(self):
    self._kept = None  # (weak references, the other arguments, result)

  def find(self, objects, others):
    """Returns what was kept for these very objects and equal other arguments, or None."""
    if self._kept is None:
      return None
    references, same, result = self._kept
    return result if same == others and all(ref() is thing for ref, thing in zip(references, objects)) else None

  def keep(self, objects, others, result):
    """Keeps one result, instead of the one before."""
    self._kept = tuple(weakref.ref(thing, self._forget) for thing in objects), others, result

  def _forget(self, reference):
    del reference
    self._kept = None


_memory = Memory()


def draw(task, state, source, key, options):
  """Draws samples of a task and real images of a source.

  The last result is remembered as long as task, state and source live, for several evaluators ask for the same.

  Args:
    task: a Task that Generates.
    state: State on one device.
    source: deconv.data.Source of real images.
    key: PRNG key of the samples.
    options: deconv.options.EvalOptions; `num_samples` of them are drawn.

  Returns:
    Drawn.
  """
  objects, others = (task, state, source), (np.asarray(jax.random.key_data(key)).tobytes(), options.num_samples)
  drawn = _memory.find(objects, others)
  if drawn is None:
    drawn = _draw(task, state, source, key, options.num_samples)
    _memory.keep(objects, others, drawn)
  return drawn


def _draw(task, state, source, key, num):
  samples = task.sample(state, key, num)
  samples = np.asarray(samples if source.options.points else data.to_uint8(samples))
  reference, heldout, labels = split(source)
  protocol = {
    'source': source.name,
    'num_samples': num,
    'num_reference': len(reference),
    'num_heldout': len(heldout),
    'num_source': len(source),
    'fingerprint': source.fingerprint(),
    **task.sampling_protocol(state),
    'step': int(state.step),
    'seed': SEED,
  }
  return Drawn(samples, reference, heldout, labels, protocol)


def split(source):
  """Draws real images of a source, without replacement, and splits them in two.

  Args:
    source: deconv.data.Source.

  Returns:
    (reference images uint8 (m, ...), held-out images uint8 (k, ...), labels): see Drawn.
  """
  order = np.random.default_rng(SEED).permutation(len(source))[:REFERENCE_LIMIT]
  examples = [source[int(i)] for i in order]
  images = np.stack([example['image'] for example in examples])
  cut = len(images) - max(1, round(HELD_OUT * len(images)))
  labels = None
  if 'label' in examples[0]:
    labels = np.array([int(example['label']) for example in examples])
    labels = labels[:cut], labels[cut:]
  return images[:cut], images[cut:], labels
