"""What callers ask of a restoration network."""

from flax import linen as nn


class Restorer(nn.Module):
  """A network from degraded to restored images: module(images (batch, h, w, c') in [-1, 1], train) -> float32.

  Class attributes, which a subclass may have as properties:
    multiple: the sides of its input must be multiples of this.
    fixed_side: the only side of input that it takes, None where there is no such.
    centre_only: whether it makes the middle half of an image alone and returns its input around.
  """

  multiple = 1
  fixed_side = None
  centre_only = False
