"""Which classes do generated images cover, by a classifier trained on real ones?"""

import math

import numpy as np

SIDE = 16  # images are averaged down to at most this side for the classifier
LEAST_SHARE = 0.1  # a class is covered by at least this share of what it would get if all classes were equal


def measure(samples, reference, heldout, labels, num_classes):
  """Classifies samples and says how they spread over the classes.

  coverage: share of the `num_classes` classes that get at least LEAST_SHARE / num_classes of the samples (for ten
    classes: 1 %).
  entropy: of the shares of the classes, in nats; log(num_classes) when all are equal.
  classifier_accuracy: of the classifier on the held-out real images. Without it the other two mean nothing.
  A classifier has to name a class for anything, noise too: look at the samples as well.

  Args:
    samples: uint8 (n, height, width, channels).
    reference: uint8 (m, height, width, channels), real images that the classifier is trained on.
    heldout: uint8 (k, height, width, channels), other real images, which it is judged by.
    labels: int pair ((m,), (k,)) of the two.
    num_classes: number of classes.

  Returns:
    ({'coverage', 'entropy', 'classifier_accuracy'}, protocol dict).
  """
  from sklearn.svm import SVC

  classifier = SVC(C=10.0, kernel='rbf', gamma='scale')
  classifier.fit(_features(reference), labels[0])
  accuracy = float(np.mean(classifier.predict(_features(heldout)) == labels[1]))
  found = np.bincount(classifier.predict(_features(samples)), minlength=num_classes)
  numbers = dict(summarize(found), classifier_accuracy=accuracy)
  protocol = {
    'classifier': f'sklearn SVC(C=10, rbf) on pixels averaged down to at most {SIDE}x{SIDE}',
    'coverage_is': f'share of {num_classes} classes with at least {LEAST_SHARE / num_classes:.4g} of the samples',
    'class_counts': [int(n) for n in found],
  }
  return numbers, protocol


def summarize(counts):
  """Returns {'coverage', 'entropy'} of the number of samples in each class, as `measure` defines them."""
  shares = np.asarray(counts, np.float64) / np.sum(counts)
  entropy = sum(-p * math.log(p) for p in shares if p > 0)
  return {'coverage': float(np.mean(shares >= LEAST_SHARE / len(shares))), 'entropy': float(entropy)}


def modes(counts, reference):
  """Number of modes and the divergence of their shares, as for Stacked MNIST (Metz et al. 2017, section 3.3.1).

  Args:
    counts: number of samples in each class (classes,), as a classifier names them.
    reference: number of real images in each class (classes,), of a labelled set.

  Returns:
    {'modes': how many of the classes that have real images have a sample too, 'mode_kl': KL(samples || real images) of
    the shares in nats, infinite where a class without real images has a sample}.

  Raises:
    ValueError: the two are of different lengths, or all of one are 0.
  """
  counts, reference = np.asarray(counts, np.float64), np.asarray(reference, np.float64)
  if counts.shape != reference.shape or not counts.sum() or not reference.sum():
    raise ValueError(f'counts {counts.shape} and {reference.shape} must be of the same classes, and not all 0')
  p, q = counts / counts.sum(), reference / reference.sum()
  there = p > 0
  divergence = np.inf if np.any(q[there] == 0) else np.sum(p[there] * np.log(p[there] / q[there]))
  return {'modes': int(np.sum(there & (q > 0))), 'mode_kl': float(divergence)}


def _features(images):
  """uint8 (n, height, width, channels) -> float32 (n, features) in [0, 1]: block averages."""
  n, height, width, channels = images.shape
  factor = math.ceil(max(height, width) / SIDE)
  rows, columns = height // factor, width // factor
  blocks = images[:, : rows * factor, : columns * factor].reshape(n, rows, factor, columns, factor, channels)
  return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1) / 255
