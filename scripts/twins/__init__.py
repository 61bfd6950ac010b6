"""Training steps of configs written in PyTorch, to be timed beside ours (scripts/benchmark_train.py).

A twin is the same network with the same loss and optimizer, as somebody would write it who knows PyTorch well:
gradients only where they are needed, Adam in one kernel, either layout of the images. Its modules have the names of our
layers, so that `carry.carry` can give it our weights; with them its loss is ours (tests/scripts/test_twins.py).

Nothing here imports JAX. TWINS maps (task, model.name) to a class of `twin.Twin`.
"""

from scripts.twins.autoencoders import Autoencoder
from scripts.twins.gans import Gan
from scripts.twins.restorers import Restorer
from scripts.twins.segmenters import Segmenter

TWINS = {
  ('gan', 'gan28'): Gan,
  ('vae', 'vae_mlp'): Autoencoder,
  ('vae', 'vae_conv'): Autoencoder,
  ('restoration', 'fsrcnn'): Restorer,
  ('restoration', 'rednet'): Restorer,
  ('segmentation', 'unet'): Segmenter,
  ('segmentation', 'segnet'): Segmenter,
  ('segmentation', 'deconvnet'): Segmenter,
}
