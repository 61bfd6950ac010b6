"""Networks: MODELS maps `config.model.name` to a builder.

A GAN's builder takes the other fields of `config.model` and `image_shape` (height, width, channels), `dtype`
(computed in; parameters and statistics stay float32) and `batch_norm_axis` (mapped axis over which batch norm takes
its statistics, or None). It returns
(generator, discriminator, latent): two Linen modules, generator(z, train) and discriminator(images, train), and a
`Latent`.

AUTOENCODERS does the same for autoencoders: a builder takes the other fields of `config.model`, `image_shape`, `dtype`
and `outputs` (what a likelihood wants for each pixel), and returns the modules (encoder, decoder).

SEGMENTERS are segmentation networks: a builder takes the other fields of `config.model`, `image_shape`, `num_classes`,
`dtype` and `batch_norm_axis`, and returns one module: module.apply(variables, images in [-1, 1] (batch, height, width,
channels), train=bool, rngs={'dropout': key}) -> logits float32 (batch, height', width', num_classes). Their kind of
upsampling may also be 'paper': the network's own.
"""
from deconv.models import dcgan, dcign, deconvnet, fcn, gan28, linknet, mlp_gan, segnet, unet, vae

MODELS = {
    'dcgan': dcgan.build,
    'gan28': gan28.build,
    'mlp_gan': mlp_gan.build,
}

AUTOENCODERS = {
    'vae_mlp': vae.build_mlp,
    'vae_conv': vae.build_conv,
    'dcign': dcign.build,
}

SEGMENTERS = {
    'fcn': fcn.build,
    'deconvnet': deconvnet.build,
    'segnet': segnet.build,
    'unet': unet.build,
    'linknet': linknet.build,
}
