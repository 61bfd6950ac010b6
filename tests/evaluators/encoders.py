"""Tasks without a network that read the factors which a source has written into its images."""

import numpy as np

from deconv import data
from deconv.data.rendered.factors import FactorSource
from deconv.tasks.capabilities import TurnsKnobs

FACTORS = {'across': 7, 'down': 5, 'light': 6, 'shape': 9}


def write(factors):
  """Images that hold their factors."""
  images = np.zeros((len(factors), 4, 4, 1), np.uint8)
  images[:, 0, :, 0] = factors
  return images


def written(options=data.DataOptions(source='written', image_size=4), split='train'):
  """A source of such images; other splits than `train` have values of `shape` of their own."""
  offsets = {} if split == 'train' else {'shape': 9}
  return FactorSource(f'written_{split}', options, FACTORS, write, 1, offsets=offsets, categorical=('shape',))


class Reader(TurnsKnobs):
  """Its codes are a function of the factors (n, 4); keeps what it was asked."""

  num_factors = 4

  def __init__(self, codes=lambda factors: factors):
    self.codes, self.read, self.shown = codes, [], []

  def means(self, state, images):
    factors = images[:, 0, :, 0].astype(np.float32)
    self.read.append(factors)
    return np.asarray(self.codes(factors), np.float32)

  def knobs(self, state, images):
    self.shown.append(images)
    return np.full((3, 5, 1), 7, np.uint8)
