"""beta-VAE on shapes with five seeds, as differences between seeds are larger than those between methods.

  python -m experiments.sweep --sweep=configs/sweeps/beta_vae_seeds.py --out=runs/beta_vae

Cost: an hour on two cores.
Results: docs/results.md#disentanglement. They are of the same five runs, started one by one.
"""

SWEEP = {
  'experiments': {'shapes': {'config': 'configs/beta_vae_shapes.py:mlp'}},
  'variants': {'beta = 4': {'objective.beta': 4.0}},
  'seeds': (0, 1, 2, 3, 4),
  'metrics': {'mig': 'MIG', 'sap': 'SAP', 'dci_disentanglement': 'DCI disentanglement'},
}
