"""What a discriminator says at its end: a logit, and where it is asked for also the class and the codes."""

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.models import norms


def say(network, features, labels, *, kernel_init, use_bias=True):
  """The last layers of a discriminator, made in its compact scope.

  | `disc_label` | what the label does |
  |--------------|---------------------|
  | none, concat | nothing here |
  | projection   | logit += <V y, features> (Miyato & Koyama 2018, equation 4) |
  | auxiliary    | a second answer, logits of the classes (Odena et al. 2017); the label itself is not looked at |

  With codes in the latent there is a third answer, what they seem to have been: dense 128, LeakyReLU 0.1, dense (Chen
  et al. 2016, appendix C).

  Args:
    network: the discriminator, whose `options` are a deconv.options.models.gan.GanModelOptions.
    features: (batch, n).
    labels: int32 (batch,) or None.
    kernel_init: initialiser of all kernels.
    use_bias: whether the layer of the logit has a bias.

  Returns:
    The logits float32 (batch,); where there are other answers (logits, {'classes': (batch, classes) and/or 'codes':
    (batch, codes)}).
  """
  options = network.options
  features = features.astype(jnp.float32)

  def dense(size, name, use_bias=True):
    return layers.Dense(
      size, use_bias=use_bias, kernel_init=kernel_init, spectral_norm=options.disc_spectral_norm, name=name
    )

  logits = dense(1, 'logit', use_bias)(features)[:, 0]
  if options.disc_label == 'projection':
    label = norms.one_hot(labels, options.num_classes, jnp.float32)
    logits = logits + jnp.sum(dense(features.shape[-1], 'projection', use_bias=False)(label) * features, axis=-1)
  others = {}
  if options.disc_label == 'auxiliary':
    others['classes'] = dense(options.num_classes, 'classes')(features)
  if options.num_codes:
    guess = nn.leaky_relu(dense(128, 'codes_hidden')(features), 0.1)
    others['codes'] = dense(options.num_codes, 'codes')(guess)
  return (logits, others) if others else logits
