"""Types of the arguments of scripts, for argparse."""

import argparse


def words(text):
  """Returns the words of a list, which have commas between them."""
  return [word for word in text.split(',') if word]


def numbers(text):
  """Returns the whole numbers of a list."""
  return [int(word) for word in words(text)]


def at_least(least):
  """Returns the type of a whole number that is not below `least`."""

  def number(text):
    if int(text) < least:
      raise argparse.ArgumentTypeError(f'{text} is below {least}')
    return int(text)

  return number


def result_file(path):
  """The file of `--save`, or '' for none; asked before minutes of measuring."""
  if path and not path.endswith('.json'):
    raise argparse.ArgumentTypeError('give a name that ends in .json, such as results/NAME.json')
  return path
