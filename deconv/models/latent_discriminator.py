"""The discriminator of FactorVAE (Kim & Mnih 2018, appendix A): is a code from q(z), or from the product of its
marginals?"""

from flax import linen as nn
import jax.numpy as jnp


class LatentDiscriminator(nn.Module):
  """Codes (batch, latent) -> logits (batch,) float32, positive for 'from q(z)'.

  The paper has two logits and a softmax; their difference is this logit.

  Attributes:
    hidden: units of each hidden layer (paper: 1000).
    depth: number of hidden layers (paper: 6).
    leak: slope of LeakyReLU below zero (paper: 0.2).
  """

  hidden: int
  depth: int
  leak: float

  @nn.compact
  def __call__(self, z):
    x = z.astype(jnp.float32)
    for i in range(self.depth):
      x = nn.Dense(self.hidden, kernel_init=nn.initializers.he_normal(), name=f'hidden_{i + 1}')(x)
      x = nn.leaky_relu(x, self.leak)
    return nn.Dense(1, name='logit')(x)[:, 0]
