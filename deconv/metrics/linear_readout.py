"""How well a linear classifier tells classes by features: what the features make easy to read."""

import warnings

import numpy as np

CELLS = 4  # a side of maps is divided into at most so many
STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # C, one over the weight of the penalty; chosen by cross-validation
_FOLDS = 3
PROTOCOL = (
  f'sklearn LogisticRegression on standardised features, C of {", ".join(map(str, STRENGTHS))} by {_FOLDS}-fold '
  f'cross-validation in the training images; maps: means of the positive and of the negative part in {CELLS}x{CELLS} '
  'cells'
)


def pooled(maps):
  """Returns the means of the positive and of the negative part of maps in cells.

  A filter and its negative are one map, so the sign tells black strokes from white ones.

  Args:
    maps: (n, height, width, k).

  Returns:
    float32 (n, cells * cells * 2 k); cells of nearly equal size, and no more of them than pixels on a side.
  """
  parts = np.concatenate([np.maximum(maps, 0), np.maximum(-maps, 0)], axis=-1)
  for axis in (1, 2):
    cells = np.array_split(parts, min(CELLS, parts.shape[axis]), axis=axis)
    parts = np.concatenate([cell.mean(axis=axis, keepdims=True) for cell in cells], axis=axis)
  return parts.reshape(len(parts), -1).astype(np.float32)


def accuracy(features, labels, unseen, unseen_labels):
  """Trains a linear classifier and returns the share of the unseen images that it names rightly.

  Args:
    features: float (n, d).
    labels: integers (n,), of at least two classes.
    unseen: float (m, d).
    unseen_labels: integers (m,).
  """
  from sklearn.exceptions import ConvergenceWarning
  from sklearn.linear_model import LogisticRegression
  from sklearn.model_selection import GridSearchCV, StratifiedKFold
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
  folds = min(_FOLDS, int(np.unique(labels, return_counts=True)[1].min()))
  if folds > 1:
    by = StratifiedKFold(folds, shuffle=True, random_state=0)
    classifier = GridSearchCV(classifier, {'logisticregression__C': STRENGTHS}, cv=by)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', ConvergenceWarning)  # a weak penalty on classes that are told apart never ends
    classifier.fit(features, labels)
  return float(np.mean(classifier.predict(unseen) == unseen_labels))
