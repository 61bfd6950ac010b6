"""The whole pictures of a source that evaluators look at, those left out that cannot be decoded."""

from absl import logging

from deconv.data import BrokenImage


def load_each(source, number, load):
  """Goes over the first pictures of a source; one that cannot be decoded is left out with a warning.

  Args:
    source: Source.
    number: of pictures to try.
    load: index -> item; `source.load_full`, or another that may raise BrokenImage.

  Yields:
    (index, item).
  """
  for index in range(number):
    try:
      item = load(index)
    except BrokenImage as error:
      logging.warning('%s: whole picture %d cannot be decoded and is left out (%s)', source.name, index, error)
      continue
    yield index, item
