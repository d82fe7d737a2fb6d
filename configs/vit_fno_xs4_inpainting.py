# ViT-XS/4 with FNO, inpainting pre-training on a tenth of ImageNet-1k: Table 6, row FNO.
#
#   python data/imagenet_subset.py    # writes meta/train_10percent.txt
#   tools/dist_train.sh configs/vit_fno_xs4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_fno_xs4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: 24.8 dB PSNR (the paper's number; not measured by us).
# Parameters: 16.43M.
#
# From the paper (A.6): width, 5 layers, a tenth of ImageNet, 100 epochs. It does not give the
# modes: 28x14 of the 56x29 frequencies make its 16M parameters. FNO has no local term, as it was
# published; model.backbone.mixer.bias=identity adds that of AFNO. The files in _base_ say what they
# take from the paper and what is our choice: imagenet_inpainting.py for the masks, inpainting.py
# for the loss, schedule_100e.py for the optimiser.
_base_ = [
    '_base_/models/vit_fno_xs4.py',
    '_base_/models/inpainting.py',
    '_base_/datasets/imagenet_inpainting.py',
    '_base_/schedules/schedule_100e.py',
    '_base_/inpainting_runtime.py',
]
train_dataloader = dict(dataset=dict(ann_file='meta/train_10percent.txt'))
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=64))
