"""What can be trained: TASKS maps `config.task` to a builder.

A builder is called as `builder(config, make_optimizer, batch_norm_axis=None)` and returns a `Task` (task.py).
`make_optimizer(scale=1.0)` returns the optax transformation of the config, its learning rate times `scale`;
`batch_norm_axis` is None or the mapped axis over which batch norm takes its statistics.
"""
from deconv.tasks import factor_vae, gan, inverse_graphics, restoration, segmentation, vae

TASKS = {
    'gan': gan.build,
    'vae': vae.build,
    'factor_vae': factor_vae.build,
    'inverse_graphics': inverse_graphics.build,
    'restoration': restoration.build,
    'segmentation': segmentation.build,
}
