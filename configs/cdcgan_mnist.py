"""The conditional DCGAN of its authors on MNIST, 28x28, from the four idx files (plain or .gz) in a folder.

  python -m experiments.main --config=configs/cdcgan_mnist.py --workdir=runs/cdcgan_mnist --config.data.path=DIR
  python -m experiments.sample --workdir=runs/cdcgan_mnist --num=20 --label=3 --out=threes.png

The networks of github.com/Newmu/dcgan_code, mnist/train_cond_dcgan.py: the label is joined to every layer. Their
settings: Adam 2e-4 with beta1 0.5, L2 of 2.5e-5 on all parameters, batches of 128, the generator first and each network
on its own minibatch, 100 epochs and 100 more in which the learning rate falls to zero. Ours is shorter: 20 epochs, in
which each minibatch serves both networks, batches of 64 at twice the rate, which falls from the start, and samples of
the averaged generator. The evaluation trains a nearest-neighbour classifier on 50,000 generated images with their
labels (`knn_error`), and on 10,000 every four epochs; published: an error of 2.98 % on the test images (Radford et al.
2015, table 2), 3.1 % with 50,000 real images.

Cost: hours on two cores.
Results: docs/results.md#labels.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='dcgan28')
  config.data.source = 'mnist'
  config.data.image_size = 28
  config.model.num_classes = 10
  config.model.gen_label = 'concat'
  config.model.disc_label = 'concat'
  config.optimizer.learning_rate = 4e-4
  config.optimizer.l2 = 2.5e-5
  config.optimizer.schedule = 'linear'
  config.objective.update_order = 'alternate'
  config.train.batch_size = 64
  config.train.epochs = 20.0
  config.train.ema_decay = 0.999
  config.samples.every_epochs = 0.5
  config.samples.num = 100  # ten of each class
  config.checkpoint.every = 937  # an epoch
  config.eval.evaluators = ('labelled_samples', 'neighbours')
  config.eval.num_samples = 50_000
  config.eval.every = 3748
  config.eval.interim_samples = 10_000
  return base.finish(
    config, variant, smoke={'data.source': 'digits', 'data.path': '', 'model.width': 4, 'model.hidden': 16}
  )
