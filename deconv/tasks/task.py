"""The interface between what is trained and the loop that trains it."""
from typing import Any, Protocol

Batch = dict[str, Any]


class Task(Protocol):
  """What is trained: networks, losses and pictures, as pure functions of (state, batch, key).

  A task knows its mathematics and nothing of how it is run: `train_step` and `eval_step` are traced under jit, pmap,
  vmap or scan by the caller. Batches are dicts of arrays (batch, ...): 'image' uint8 (batch, height, width, channels),
  'label' int32 (batch,) where known, 'weight' float32 (batch,) in evaluation: 0 marks padding.

  Attributes:
    loss_names: the scalars that are losses: shown on the progress bar and checked to be finite.
  """
  loss_names: tuple[str, ...]

  def see(self, source):
    """Optional. Looks at the training source once, before anything is traced (host): class frequencies and the like.

    What it takes from there has to be a function of the source alone. Whoever only samples does not call it.
    """

  def init(self, key, batch):
    """Returns the `State` at step 0; the batch (any size >= 1) only tells the shapes."""

  def draw(self, batch, key):
    """Optional. Returns {name: array (batch, ...)}, what a step draws at random for each image.

    The steps use the entries that the batch already has and draw the rest themselves by the same rule; a caller on many
    devices hands them in to lay them out like the images.
    """

  def train_step(self, state, batch, key):
    """Returns (state after one step with step + 1, {name: scalar}). `key` is already that of the step (and device)."""

  def eval_step(self, state, batch, key):
    """Returns {name: sum over the batch}, additive over batches and devices; honours batch['weight']."""

  def summarize(self, sums):
    """Returns {public metric name: float} from the sums of `eval_step` added over a whole pass (host)."""

  def pictures(self, state, batch, key):
    """Returns {name: uint8 image (height, width, channels)}; called with the same key and batch throughout a run."""

  def evaluate_samples(self, state, source, key, num, **options):
    """Optional. Returns ({name: number}, {name: uint8 image}, protocol dict) of `num` samples against a data source."""

  def protocol(self, state):
    """Optional. Returns {name: what JSON can hold}, what has to stand beside the numbers of `summarize`."""

  def score_images(self, state, batch, key):
    """Optional. Returns {name: (batch,)}, numbers of each image of a host batch, such as an anomaly score (host)."""

  def transform_image(self, state, image):
    """Optional. Runs the network on one picture of any size (host).

    Args:
      state: State.
      image: uint8 or uint16 (height, width, 1 to 4), as decoded: grey or RGB, perhaps with alpha.

    Returns:
      {'': the result, NAME: what belongs beside it}; uint8 or uint16 (h, w, 1 to 4), or uint8 (h, w): class numbers.
    """

  def sample(self, state, key, num):
    """Generative tasks only. Returns float32 images (num, height, width, channels) in [-1, 1]."""
