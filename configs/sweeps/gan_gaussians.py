"""Which objectives and penalties lose modes? Perceptron GANs on 25 Gaussians in a grid.

  python -m experiments.sweep --sweep=configs/sweeps/gan_gaussians.py --out=runs/gaussians --jobs=2

Every objective alone and with R1, and the non-saturating one with each other penalty, except consistency, which moves
pictures. All else is as in configs/gan_grid.py. The penalties have small weights, because
the discriminator needs slopes of about 1 / 0.05 to see these Gaussians.

Cost: an hour on two cores.
Results: docs/results.md#gaussians.
"""

_OBJECTIVES = ('non_saturating', 'minimax', 'wasserstein', 'lsgan', 'hinge', 'ragan', 'ralsgan', 'rahinge')
# The weight of R1 is that of the config, and goes back to its default where it has no effect.
_WEIGHTS = {
  'r1': {},
  'r2': {'objective.r1_weight': 10.0, 'objective.r2_weight': 0.3},
  'wgan_gp': {'objective.r1_weight': 10.0, 'objective.wgan_gp_weight': 0.1},
  'dragan': {'objective.r1_weight': 10.0, 'objective.dragan_weight': 0.1},
  'lecam': {'objective.r1_weight': 10.0},
}


def _variant(name, penalty='none'):
  return {'objective.name': name, 'objective.penalty': penalty, **_WEIGHTS.get(penalty, {'objective.r1_weight': 10.0})}


SWEEP = {
  'experiments': {'gaussians': {'config': 'configs/gan_grid.py', 'train.steps': 10_000, 'samples.every': 10_000}},
  'variants': {
    **{name: _variant(name) for name in _OBJECTIVES},
    **{f'{name}, R1': _variant(name, 'r1') for name in _OBJECTIVES},
    **{f'non_saturating, {penalty}': _variant('non_saturating', penalty) for penalty in _WEIGHTS if penalty != 'r1'},
    'wasserstein, wgan_gp': _variant('wasserstein', 'wgan_gp'),
  },
  'seeds': (0, 1, 2),
  'metrics': {'modes': 'modes of 25', 'modes_touched': 'touched', 'good_samples': 'good samples'},
}
