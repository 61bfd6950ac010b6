"""Do single latents stand for single factors? Scores of an encoder against the known factors of a data set.

All scores are from codes (n, latent) and factors int (n, k); each is 1 for an oracle whose latents are the factors and
about 0 for latents that know nothing. Where the published score of noise is not 0 (a classifier's chance), the score
here is (accuracy - chance) / (1 - chance), and the published accuracy stands beside it.

- mig: mutual information gap (Chen et al. 2018, section 4), of binned latents (Locatello et al. 2019, appendix).
- sap: separated attribute predictability (Kumar et al. 2018, section 3).
- factor_score, factor_accuracy: Kim & Mnih 2018, section 4.
- beta_vae_score, beta_vae_accuracy: Higgins et al. 2017, section 3.
- dci_disentanglement, dci_completeness, dci_informativeness: Eastwood & Williams 2018, section 2.
"""

import warnings

import numpy as np

# A latent whose variance is below this share of the greatest is off: it stands for nothing, whatever its tiny changes
# say.
_OFF = 1e-4


def measure(encode, source, num, seed):
  """All scores of an encoder.

  Args:
    encode: uint8 images (n, height, width, channels) -> codes (n, latent), the posterior means.
    source: deconv.data.rendered.factors.FactorSource.
    num: images for each of MIG, SAP and DCI together, and for each of the other two.
    seed: of the draws.

  Returns:
    ({name: number}, protocol dict).
  """
  random = np.random.RandomState(seed)
  factors = source.sample_factors(random, num)
  codes = _codes(encode, source, factors)
  values = factors - np.array(source.factor_offsets)
  votes, group = max(20, num // 64), 64
  batches = max(40, num // 20)
  numbers = {
    'mig': mig(codes, values),
    'sap': sap(codes, values, source.categorical),
    **dci(codes, values, source.categorical, seed),
    **factor_score(encode, source, random, votes, group, np.var(codes, axis=0)),
    **beta_vae_score(encode, source, random, batches, 10),
  }
  protocol = {
    'codes': 'posterior means',
    'n': num,
    'seed': seed,
    'factors': dict(zip(source.factor_names, source.factor_sizes)),
    'mig_bins': _bins(values),
    'sap': 'R^2 of a line; adjusted balanced accuracy of thresholds for categorical factors; half to fit',
    'dci': 'random forests of 10 trees, half to fit',
    'factor_score': f'{votes} votes of {group} images, half to fit',
    'beta_vae_score': f'{batches} points of 10 pairs, logistic regression, half to fit',
    'factor_chance': 1 / len(source.factor_names),
  }
  return numbers, protocol


def _codes(encode, source, factors):
  """Float64 (..., latent) of the images of factors (..., k)."""
  codes = np.asarray(encode(source.render(factors.reshape(-1, factors.shape[-1]))), np.float64)
  return codes.reshape(*factors.shape[:-1], -1)


def mig(codes, factors):
  """Mean over factors of (I(z_1; v) - I(z_2; v)) / H(v), z_1 and z_2 the latents that know most about factor v.

  Mutual information by counting, the latents in bins of equal width between their least and their greatest value: 20
  of them (disentanglement_lib's), or as many as the largest factor has values: with fewer, an oracle would not reach 1.

  Args:
    codes: (n, latent).
    factors: int (n, k), each from 0.
  """
  from scipy import stats
  from sklearn import metrics

  bins = _bins(factors)
  binned = np.stack([_digitize(column, bins) for column in np.asarray(codes).T])
  gaps = []
  for factor in np.asarray(factors).T:
    entropy = stats.entropy(np.bincount(factor))
    if entropy:
      information = np.sort([metrics.mutual_info_score(latent, factor) for latent in binned])[::-1]
      gaps.append((information[0] - (information[1] if len(information) > 1 else 0.0)) / entropy)
  return float(np.mean(gaps))


def _bins(factors):
  return max(20, int(np.max(factors)) + 1)


def _digitize(values, bins):
  low, high = values.min(), values.max()
  if high <= low:
    return np.zeros(len(values), int)
  return np.minimum(((values - low) * (bins / (high - low))).astype(int), bins - 1)


def sap(codes, factors, categorical):
  """Mean over factors of the gap between the two latents that predict the factor best, alone.

  A factor with an order is predicted by a line, scored by R^2 (Kumar et al. 2018: the squared correlation); one without
  by thresholds (a tree with as many leaves as twice its values), scored by balanced accuracy, adjusted for chance.
  Fitted on the first half, scored on the second.

  Args:
    codes: (n, latent).
    factors: int (n, k).
    categorical: for each factor, whether its values have no order.
  """
  codes = np.asarray(codes, np.float64)
  half = len(codes) // 2
  gaps = []
  for factor, unordered in zip(np.asarray(factors).T, categorical):
    predict = _threshold_accuracy if unordered else _line_fit
    scores = np.sort([predict(latent[:half], factor[:half], latent[half:], factor[half:]) for latent in codes.T])[::-1]
    gaps.append(scores[0] - (scores[1] if len(scores) > 1 else 0.0))
  return float(np.mean(gaps))


def _line_fit(x, y, test_x, test_y):
  if np.var(x) <= 1e-12:
    return 0.0
  slope = np.cov(x, y, bias=True)[0, 1] / np.var(x)
  error = np.mean((test_y - np.mean(y) - slope * (test_x - np.mean(x))) ** 2)
  return max(0.0, 1 - error / np.var(test_y))


def _threshold_accuracy(x, y, test_x, test_y):
  from sklearn.tree import DecisionTreeClassifier

  classes = len(np.unique(y))
  tree = DecisionTreeClassifier(
    max_leaf_nodes=2 * classes, min_samples_leaf=max(1, len(x) // 100), class_weight='balanced'
  )
  return max(0.0, _adjusted_accuracy(test_y, tree.fit(x[:, None], y).predict(test_x[:, None])))


def _adjusted_accuracy(truth, predicted):
  """Mean over the classes of the truth of the share found, on a scale from 0 (chance) to 1."""
  from sklearn import metrics

  with warnings.catch_warnings():
    # A class may be in the first half alone, and be predicted in the second: it has no share there, and is no mistake.
    warnings.filterwarnings('ignore', 'y_pred contains classes not in y_true')
    return metrics.balanced_accuracy_score(truth, predicted, adjusted=True)


def _above_chance(accuracy, classes):
  return (accuracy - 1 / classes) / (1 - 1 / classes)


def dci(codes, factors, categorical, seed):
  """Disentanglement, completeness, informativeness, from the importance of each latent to a predictor of each factor.

  With R (latent, factor) the importances, disentanglement is 1 minus the entropy of a latent's row (base k), weighted
  by the rows' sums; completeness 1 minus the entropy of a factor's column (base latent); informativeness the mean R^2
  (or adjusted balanced accuracy) of the predictors on the second half. Predictors: random forests of 10 trees, all
  latents offered at each split. A forest's importances add up to 1 even where it predicts nothing, so each column is
  scaled by the factor's informativeness: latents that know nothing score 0 in everything.

  Args:
    codes: (n, latent).
    factors: int (n, k).
    categorical: for each factor, whether its values have no order.
    seed: of the forests.
  """
  from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

  codes = np.asarray(codes, np.float64)
  half = len(codes) // 2
  importance, informative = [], []
  for factor, unordered in zip(np.asarray(factors).T, categorical):
    kind = RandomForestClassifier if unordered else RandomForestRegressor
    forest = kind(10, max_features=None, min_samples_leaf=5, random_state=seed).fit(codes[:half], factor[:half])
    predicted, truth = forest.predict(codes[half:]), factor[half:]
    score = _adjusted_accuracy(truth, predicted) if unordered else 1 - np.mean((predicted - truth) ** 2) / np.var(truth)
    informative.append(max(0.0, score))
    importance.append(forest.feature_importances_ * max(0.0, score))
  importance = np.array(importance).T
  return {
    'dci_disentanglement': _concentration(importance),
    'dci_completeness': _concentration(importance.T),
    'dci_informativeness': float(np.mean(informative)),
  }


def _concentration(weights):
  """1 minus the entropy of each row of shares, base its length; a mean weighted by the rows' sums; 0 where all are
  0."""
  from scipy import stats

  total = weights.sum()
  if total <= 0 or weights.shape[1] < 2:
    return 0.0
  rows = weights[weights.sum(axis=1) > 0]
  return float(rows.sum(axis=1) @ (1 - stats.entropy(rows, axis=1, base=weights.shape[1])) / total)


def factor_score(encode, source, random, votes, group, variances):
  """Kim & Mnih 2018: which latent varies least, relative to its own variance, when one factor is held?

  A vote is a group of images that share the value of one factor; it names the latent with the smallest relative
  variance. A majority vote for each latent, learnt from the first half of the votes, tells the factors of the second
  half.

  Args:
    encode, source: as for `measure`.
    random: numpy RandomState.
    votes: number of votes, at least 2.
    group: images in a vote.
    variances: (latent,), of each latent over the data. Latents that are off have no vote.

  Returns:
    {'factor_score', 'factor_accuracy'}.
  """
  k = len(source.factor_names)
  held = random.randint(0, k, votes)
  on = np.flatnonzero((variances > 1e-12) & (variances > _OFF * np.max(variances)))
  if not len(on):
    return {'factor_score': 0.0, 'factor_accuracy': 1 / k}
  factors = source.sample_factors(random, votes * group).reshape(votes, group, k)
  factors[np.arange(votes), :, held] = factors[np.arange(votes), :1, held]
  codes = _codes(encode, source, factors)[..., on]
  named = np.argmin(np.var(codes, axis=1) / variances[on], axis=1)
  half = votes // 2
  table = np.zeros((len(on), k))
  np.add.at(table, (named[:half], held[:half]), 1)
  accuracy = float(np.mean(np.argmax(table, axis=1)[named[half:]] == held[half:]))
  return {'factor_score': max(0.0, _above_chance(accuracy, k)), 'factor_accuracy': accuracy}


def beta_vae_score(encode, source, random, points, pairs):
  """Higgins et al. 2017: a linear classifier tells which factor two images share, from how far apart their codes are.

  A point is the mean over `pairs` pairs that share the value of the same factor of |z_1 - z_2|. Differences are divided
  by their standard deviations over the points, so that the regression sees latents of any scale alike.

  Args:
    encode, source, random: as for `factor_score`.
    points: number of points, at least 2.
    pairs: in a point.

  Returns:
    {'beta_vae_score', 'beta_vae_accuracy'}.
  """
  from sklearn.linear_model import LogisticRegression

  k = len(source.factor_names)
  held = random.randint(0, k, points)
  factors = source.sample_factors(random, points * pairs * 2).reshape(points, pairs, 2, k)
  factors[np.arange(points), :, 1, held] = factors[np.arange(points), :, 0, held]
  codes = _codes(encode, source, factors)
  features = np.mean(np.abs(codes[:, :, 0] - codes[:, :, 1]), axis=1)
  features /= np.maximum(features.std(axis=0), 1e-12)
  half = points // 2
  classifier = LogisticRegression(C=10.0, max_iter=1000).fit(features[:half], held[:half])
  accuracy = float(np.mean(classifier.predict(features[half:]) == held[half:]))
  return {'beta_vae_score': max(0.0, _above_chance(accuracy, k)), 'beta_vae_accuracy': accuracy}
