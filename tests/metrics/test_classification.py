"""Accuracy from a confusion matrix, against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from deconv.metrics.classification import summarize


def test_against_scikit_learn():
  random = np.random.default_rng(0)
  truth = random.integers(0, 4, 100)
  named = np.where(random.uniform(size=100) < 0.7, truth, random.integers(0, 4, 100))
  found = summarize(confusion_matrix(truth, named, labels=range(5)))  # nobody is of the class 4
  assert found['accuracy'] == pytest.approx(accuracy_score(truth, named))
  assert found['accuracy_worst_class'] == pytest.approx(recall_score(truth, named, average=None).min())


def test_no_image():
  assert all(math.isnan(value) for value in summarize(np.zeros((2, 2), int)).values())
