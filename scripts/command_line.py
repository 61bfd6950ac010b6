"""Types of the arguments of scripts."""


def words(text):
  """Returns the words of a list, which have commas between them."""
  return [word for word in text.split(',') if word]


def numbers(text):
  """Returns the whole numbers of a list; ValueError where one is none."""
  return [int(word) for word in words(text)]
