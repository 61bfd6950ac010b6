"""Agreement of two segmentations into regions: the Rand and the information score of the ISBI challenge of 2012.

Arganda-Carreras et al. 2015 ("Crowdsourcing the creation of image segmentation algorithms for connectomics"), section
"Foreground-restricted Rand scoring" and what follows it. p_ij is the probability that a pixel, drawn among those that
the truth puts inside of a region, lies in region i of the proposal and in region j of the truth; s_i and t_j are the
sums over j and over i. A pixel that the proposal leaves to no region is a region of its own, as in
the challenge's code.
"""

from typing import NamedTuple

import numpy as np


class Score(NamedTuple):
  """What a score is made of, each from 0 to 1, 1 = the truth.

  Attributes:
    score: the harmonic mean of the next two (alpha = 1/2 of the paper).
    split: low where regions of the truth are split.
    merge: low where regions of the truth are merged.
  """

  score: float
  split: float
  merge: float


def regions(inside):
  """Numbers the connected regions of bool (height, width), neighbours being the four pixels around one; 0 = outside."""
  from scipy import ndimage

  return ndimage.label(inside)[0]


def thinned(inside):
  """Numbers the regions of bool (height, width) after the borders between them are thinned to one pixel.

  A watershed of the binary image: all regions grow alike until they meet. Where nothing is inside, all is 0.

  Returns:
    Integers (height, width), 0 on the lines between regions.
  """
  from skimage import segmentation

  inside = np.asarray(inside, bool)
  return segmentation.watershed((~inside).astype(np.uint8), regions(inside), connectivity=1, watershed_line=True)


def rand_score(truth, proposal):
  """V-Rand: sum p_ij^2 over sum t_j^2 (split) and over sum s_i^2 (merge).

  Args:
    truth, proposal: integers (height, width), numbers of regions; 0 = of none.

  Returns:
    A Score; all 1 where the truth has no region.
  """
  joint, alone, of_truth, of_proposal = _shares(truth, proposal)
  if not of_truth.size:
    return Score(1.0, 1.0, 1.0)
  both = np.sum(joint**2) + np.sum(alone**2)
  t, s = np.sum(of_truth**2), np.sum(of_proposal**2) + np.sum(alone**2)
  return Score(float(2 * both / (s + t)), float(both / t), float(both / s))


def information_score(truth, proposal):
  """V-Info: the mutual information of the two over the entropy of the proposal (split) and of the truth (merge).

  Args:
    truth, proposal: as for `rand_score`.

  Returns:
    A Score; a share of an entropy of 0 is 1 where the other entropy is 0 too, else 0.
  """
  joint, alone, of_truth, of_proposal = _shares(truth, proposal)
  h_truth, h_proposal = _entropy(of_truth), _entropy(of_proposal) + _entropy(alone)
  information = max(0.0, h_truth + h_proposal - _entropy(joint) - _entropy(alone))
  split, merge = (_share(information, own, other) for own, other in ((h_proposal, h_truth), (h_truth, h_proposal)))
  return Score(_share(2 * information, h_truth + h_proposal, 0.0), split, merge)


def _shares(truth, proposal):
  """Returns (p_ij of pixels that the proposal has in a region, p of each of those that it has in none, t, s without the
  latter), each a flat float64 array of what is above 0."""
  truth, proposal = np.asarray(truth).ravel(), np.asarray(proposal).ravel()
  truth, proposal = truth[truth > 0].astype(np.int64), proposal[truth > 0].astype(np.int64)
  pixels, placed = max(len(truth), 1), proposal > 0
  pairs = truth[placed] * (proposal.max(initial=0) + 1) + proposal[placed]
  joint, of_truth, of_proposal = (
    counts[counts > 0] / pixels for counts in map(np.bincount, (pairs, truth, proposal[placed]))
  )
  return joint, np.full(np.sum(~placed), 1 / pixels), of_truth, of_proposal


def _entropy(shares):
  return float(-np.sum(shares * np.log(shares)))


def _share(information, own, other):
  if own > 0:
    return min(1.0, information / own)
  return float(other == 0)
