"""Pooling by hand, and classifiers of classes that can and cannot be told apart."""

import numpy as np

from deconv.metrics import linear_readout


def test_cells_are_means_of_each_sign():
  maps = np.zeros((1, 8, 6, 1), np.float32)
  maps[0, 0, 0, 0], maps[0, 7, 5, 0] = 4.0, -3.0
  found = linear_readout.pooled(maps).reshape(4, 4, 2)  # rows 2 2 2 2, columns 2 2 1 1
  assert found[0, 0, 0] == 4.0 / 4 and found[3, 3, 1] == 3.0 / 2 and np.count_nonzero(found) == 2
  assert linear_readout.pooled(np.ones((2, 3, 2, 5))).shape == (2, 3 * 2 * 10)


def test_accuracy():
  rng = np.random.default_rng(0)
  labels, unseen_labels = np.arange(90) % 3, np.arange(300) % 3

  def features(labels, distance):
    return distance * np.eye(5)[labels] + rng.normal(size=(len(labels), 5))

  apart = linear_readout.accuracy(features(labels, 20), labels, features(unseen_labels, 20), unseen_labels)
  alike = linear_readout.accuracy(features(labels, 0), labels, features(unseen_labels, 0), unseen_labels)
  assert apart == 1.0 and 0.2 < alike < 0.5
  # A single image of each class leaves nothing to validate on.
  assert linear_readout.accuracy(np.eye(3) * 9, np.arange(3), np.eye(3) * 9, np.arange(3)) == 1.0
