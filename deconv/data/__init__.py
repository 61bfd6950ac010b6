"""Data: sources, and batches whose order is a pure function of (seed, step).

`files` is what is read and `rendered` what is made, `transforms` what is done to images on the device, inside the step,
and `feed` how items become batches: their order, what is held in memory, what is made ahead.

Libraries that read data (Pillow, scikit-learn, grain, tensorflow-datasets) are imported when a source needs them.
"""

from deconv.data.feed.batches import EvalBatches, TrainBatches
from deconv.data.files.decode import BrokenImage
from deconv.data.files.own_picture import opaque, read_picture, split_alpha
from deconv.data.source import ArraySource, NoSuchSplit, Source
from deconv.data.sources import SOURCES, open_source
from deconv.data.transforms.levels import to_signed, to_uint8
from deconv.options import IGNORE, DataOptions

__all__ = [
  'IGNORE',
  'SOURCES',
  'ArraySource',
  'BrokenImage',
  'DataOptions',
  'EvalBatches',
  'NoSuchSplit',
  'Source',
  'TrainBatches',
  'opaque',
  'open_source',
  'read_picture',
  'split_alpha',
  'to_signed',
  'to_uint8',
]
