"""Which classes do generated images cover, by a classifier trained on real ones?"""
import math

import numpy as np

SIDE = 16             # images are averaged down to at most this side for the classifier
HELD_OUT = 0.2        # share of the real images that the classifier and the neighbours are judged by
LEAST_SHARE = 0.1     # a class is covered by at least this share of what it would get if all classes were equal


def split(source, limit, seed):
  """Draws real images from a source and splits them in two; HELD_OUT of them go to the second part, at least one.

  Args:
    source: deconv.data.Source.
    limit: at most so many images, drawn without replacement; the rest of a larger source is not looked at.
    seed: of the draw.

  Returns:
    (reference images uint8 (m, ...), held-out images uint8 (k, ...), labels): labels is None for an unlabelled
    source, else the int pair ((m,), (k,)).
  """
  order = np.random.default_rng(seed).permutation(len(source))[:limit]
  examples = [source[int(i)] for i in order]
  images = np.stack([example['image'] for example in examples])
  cut = len(images) - max(1, round(HELD_OUT * len(images)))
  labels = None
  if 'label' in examples[0]:
    labels = np.array([int(example['label']) for example in examples])
    labels = labels[:cut], labels[cut:]
  return images[:cut], images[cut:], labels


def measure(samples, reference, heldout, labels, num_classes, seed=0):
  """Classifies samples and says how they spread over the classes.

  coverage: share of the `num_classes` classes that get at least LEAST_SHARE / num_classes of the samples (for ten
    classes: 1 %).
  entropy: of the shares of the classes, in nats; log(num_classes) when all are equal.
  classifier_accuracy: of the classifier on the held-out real images. Without it the other two mean nothing.
  A classifier has to name a class for anything, noise too: look at the samples as well.

  Args:
    samples: uint8 (n, height, width, channels).
    reference, heldout, labels: as `split` returns them.
    num_classes: number of classes.
    seed: recorded; the classifier itself has no randomness.

  Returns:
    ({'coverage', 'entropy', 'classifier_accuracy'}, protocol dict).
  """
  from sklearn.svm import SVC
  classifier = SVC(C=10., kernel='rbf', gamma='scale')
  classifier.fit(_features(reference), labels[0])
  accuracy = float(np.mean(classifier.predict(_features(heldout)) == labels[1]))
  found = np.bincount(classifier.predict(_features(samples)), minlength=num_classes)
  numbers = dict(summarize(found), classifier_accuracy=accuracy)
  protocol = {
      'classifier': f'sklearn SVC(C=10, rbf) on pixels averaged down to at most {SIDE}x{SIDE}',
      'coverage_is': f'share of {num_classes} classes with at least {LEAST_SHARE / num_classes:.4g} of the samples',
      'class_counts': [int(n) for n in found]}
  return numbers, protocol


def summarize(counts):
  """Returns {'coverage', 'entropy'} of the number of samples in each class, as `measure` defines them."""
  shares = np.asarray(counts, np.float64) / np.sum(counts)
  entropy = sum(-p * math.log(p) for p in shares if p > 0)
  return {'coverage': float(np.mean(shares >= LEAST_SHARE / len(shares))), 'entropy': float(entropy)}


def _features(images):
  """uint8 (n, height, width, channels) -> float32 (n, features) in [0, 1]: block averages."""
  n, height, width, channels = images.shape
  factor = math.ceil(max(height, width) / SIDE)
  rows, columns = height // factor, width // factor
  blocks = images[:, :rows * factor, :columns * factor].reshape(n, rows, factor, columns, factor, channels)
  return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1) / 255
