"""Networks: MODELS maps `config.model.name` to a builder.

A GAN's builder takes the other fields of `config.model` and `image_shape` (height, width, channels), `dtype`
(computed in; parameters and statistics stay float32) and `batch_norm_axis` (mapped axis over which batch norm takes
its statistics, or None). It returns
(generator, discriminator, latent): two Linen modules, generator(z, train) and discriminator(images, train), and a
`Latent`.

AUTOENCODERS does the same for autoencoders: a builder takes the other fields of `config.model`, `image_shape`, `dtype`
and `outputs` (what a likelihood wants for each pixel), and returns the modules (encoder, decoder).

RESTORERS are networks from degraded to restored images: a builder takes the other fields of `config.model`,
`image_shape` of the restored image, `scale` (its size over the degraded image's), `dtype` and `batch_norm_axis`, and
returns one Linen module, module(images in [-1, 1], train) -> float32 about [-1, 1]. Its sides must be multiples of
`module.multiple` where it has that, and be `module.fixed_side` where it has that. Its last layer is called `last`.

SEGMENTERS are segmentation networks: a builder takes the other fields of `config.model`, `image_shape`, `num_classes`,
`dtype` and `batch_norm_axis`, and returns one module: module.apply(variables, images in [-1, 1] (batch, height, width,
channels), train=bool, rngs={'dropout': key}) -> logits float32 (batch, height', width', num_classes). Their kind of
upsampling may also be 'paper': the network's own.
"""
from deconv.models import (
    autoencoder, context_encoder, dcgan, dcign, deconvnet, fcn, gan28, linknet, mlp_gan, rednet, segnet, superres,
    unet, vae)

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

RESTORERS = {
    'conv_deconv': superres.build_conv_deconv,
    'srcnn': superres.build_srcnn,
    'fsrcnn': superres.build_fsrcnn,
    'espcn': superres.build_espcn,
    'rednet': rednet.build,
    'context_encoder': context_encoder.build,
    'autoencoder': autoencoder.build,
}

SEGMENTERS = {
    'fcn': fcn.build,
    'deconvnet': deconvnet.build,
    'segnet': segnet.build,
    'unet': unet.build,
    'linknet': linknet.build,
}
