"""What only some tasks can do: small interfaces that entry points and evaluators ask for by `isinstance`."""

import abc
from typing import Any, NamedTuple


class MakesImages:
  """Makes images that are judged beside real ones: from nothing but a key (Generates), from other images
  (Reconstructs), or both."""


class Generates(MakesImages, abc.ABC):
  """Draws images from nothing but a key.

  Attributes:
    forward_size: images in a forward of the network.
  """

  @abc.abstractmethod
  def sample(self, state, key, num):
    """Returns float32 images (num, height, width, channels) in [-1, 1]."""

  @abc.abstractmethod
  def sampling_protocol(self, state):
    """Returns {name: what JSON can hold}: how samples are made, to stand beside numbers that are measured on them."""

  @abc.abstractmethod
  def interpolate(self, state, key, rows, columns):
    """Returns float32 images (rows * columns, height, width, channels): each row goes from one latent to another."""


class Reconstructs(MakesImages, abc.ABC):
  """Makes images again, from their codes or from what a degradation has left of them."""

  @abc.abstractmethod
  def remake(self, state, images, key):
    """Returns float32 images (n, height, width, channels) in [-1, 1], each made again of a uint8 image of that shape
    (host)."""

  @abc.abstractmethod
  def remaking_protocol(self, state):
    """Returns {name: what JSON can hold}: how images are made again, to stand beside numbers that are measured on
    them."""


class GeneratesClasses(Generates):
  """Draws images of a class that the caller names, if it has learned any.

  Attributes:
    num_classes: number of classes; 0 = it knows none. `sample` then draws all of them in turn: 0, 1, ...
  """

  num_classes: int

  @abc.abstractmethod
  def sample_class(self, state, key, num, label):
    """Returns float32 images (num, height, width, channels) of one class; UserError where it does not exist."""


class TraversesLatents(abc.ABC):
  """Shows what single latents mean."""

  @abc.abstractmethod
  def traverse(self, state, key, rows, columns):
    """Moves one latent at a time: float32 images (min(rows, latents) * columns, h, w, c), a row per latent."""

  @abc.abstractmethod
  def manifold(self, state, side):
    """Returns float32 images (side * side, h, w, c) over the plane of two latents; UserError with another number."""


class TellsCodes(abc.ABC):
  """Tells by which code an image could have been made, if the latents have codes of their own.

  Attributes:
    num_codes: values of the first categorical code; 0 = there is none.
  """

  num_codes: int

  @abc.abstractmethod
  def codes(self, state, images):
    """Returns int (n,), the likeliest value of that code for each of uint8 images (n, height, width, channels), batch
    by batch (host)."""


class SearchesLatents(MakesImages):
  """Has latents among which one can be looked for whose image fits another (deconv/tasks/completion.py).

  Attributes:
    latent: deconv.models.latent.Latent.
    num_classes: number of classes of the label in the latent; 0 = none.
  """

  num_classes: int

  @abc.abstractmethod
  def settled(self, state):
    """Returns the State by whose statistics single images are made."""

  @abc.abstractmethod
  def image_of_each(self, state, latents):
    """Returns float images (n, height, width, channels) in [-1, 1], each of its latent (n, latent) alone; traced."""

  @abc.abstractmethod
  def prior(self, state, images, labels):
    """Returns (n,): how little like real ones images (n, height, width, channels) look; traced. `labels` int (n,), None
    where there are no classes."""


class Encodes(abc.ABC):
  """Has a code for each image."""

  @abc.abstractmethod
  def means(self, state, images):
    """Returns the codes float32 (n, latent) of uint8 images (n, height, width, channels), batch by batch (host)."""


class TurnsKnobs(Encodes):
  """Has latents that each stand for one factor of the scene.

  Attributes:
    num_factors: number of factors; the first latents are those of the first factors, the rest those of the last.
  """

  @abc.abstractmethod
  def knobs(self, state, images):
    """Returns a uint8 picture in which one factor at a time of a scene turns; `images` has the scene and another."""


class ScoresImages(abc.ABC):
  """Judges single images."""

  @abc.abstractmethod
  def score_images(self, state, batch, key):
    """Returns {name: (batch,)}, numbers of each image of a host batch, such as an anomaly score (host)."""


class TransformsPictures(abc.ABC):
  """Runs its network on one picture of any size."""

  @abc.abstractmethod
  def transform_image(self, state, image):
    """Returns what the network makes of a user's own picture (host).

    Args:
      state: State.
      image: uint8 or uint16 (height, width, 1 to 4), as decoded: grey or RGB, perhaps with alpha.

    Returns:
      {'': the result, NAME: what belongs beside it}; uint8 or uint16 (h, w, 1 to 4), or uint8 (h, w): class numbers.
    """


class PredictsClasses(abc.ABC):
  """Names the class of every pixel.

  Attributes:
    class_names: in the order of the class numbers.
    sides: (height, width) in pixels of what the network sees at once.
  """

  @abc.abstractmethod
  def predict_image(self, state, image):
    """Returns class probabilities float32 (height, width, classes) of a uint8 picture (height, width, channels)."""

  @abc.abstractmethod
  def count_classes(self, masks, classes):
    """Returns the integer sums over pixels of true and predicted classes (n, height, width) that `summarize` takes."""


class Classifies(abc.ABC):
  """Names the class of an image.

  Attributes:
    num_classes: number of classes.
    class_names: in the order of the class numbers.
  """

  @abc.abstractmethod
  def outputs(self, state, images):
    """Returns what the network says of images, batch by batch (host).

    Args:
      state: State.
      images: uint8 (n >= 1, height, width, channels).

    Returns:
      (logits float32 (n, classes), whose softmax are the class probabilities; features float32 (n, m), of which the
      logits are a linear function).
    """

  @abc.abstractmethod
  def describe(self, labels, logits):
    """Returns a text for each image of integers (n,) and logits (n, classes): its class and what is named instead."""


class RestoresPictures(abc.ABC):
  """Undoes a degradation of whole pictures; see deconv/tasks/restoration.py for what an evaluator calls besides."""

  @abc.abstractmethod
  def predict_image(self, state, inputs):
    """Returns float32 (scale * h, scale * w, c), not clipped, of a degraded picture float32 (h, w, c') in [-1, 1]."""


class InfersMaps(abc.ABC):
  """Explains an image by sparse maps, which it finds by minimising an objective: also where pixels are missing."""

  @abc.abstractmethod
  def explain(self, state, images, weights=None):
    """Infers the maps of images, batch by batch (host).

    Args:
      state: State.
      images: float32 (n >= 1, height, width, channels) in [-1, 1], perhaps with noise.
      weights: (n or 1, height, width, 1) from 0 to 1: 0 where a pixel is missing; None = 1 everywhere.

    Returns:
      ({layer: float32 (n, height, width, channels), what its maps stand for in pixels, not clipped},
      {layer: float32 (n, height', width', maps)}), layers from the pixels up.
    """


class Looking(NamedTuple):
  """A trained network that looks at images, as it is at evaluation.

  Attributes:
    run: function of float32 images (n, height, width, channels) in [-1, 1] that applies one Linen module to them.
    variables: the module's, {'params': ..., ...}.
  """

  run: Any
  variables: Any


class LooksAtImages(abc.ABC):
  """Has a network that takes images, so that one can ask what its units respond to; see deconv/visualization."""

  @abc.abstractmethod
  def looking(self, state):
    """Returns the Looking of a state of this task."""
