# Inpainting (5.1, A.2) at 224x224 pixels with a linear head and the mean squared error, as in the
# paper. 5.1 takes the loss of the whole image and A.2 that of the masked pixels. We follow 5.1,
# because the paper scores the whole reconstruction too; model.head.loss_on=masked follows A.2. The
# position embedding is learned.
data_preprocessor = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
model = dict(
    type='afno_mm.InpaintingModel',
    data_preprocessor=data_preprocessor,
    backbone=dict(img_size=224),
    head=dict(type='afno_mm.InpaintingHead', patch_size=4, loss_on='image'),
)
