# Inpainting pre-training (A.2): 100 epochs of Adam, cosine decay to 1e-5, clipping at 1, weight
# decay 0.01. We decouple the weight decay (AdamW). If it is added to the gradient, as in torch's
# Adam, it is stronger than the loss (docs/inpainting.md).
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    clip_grad=dict(max_norm=1.0),
)
# Down to 1 % of the learning rate, also when --auto-scale-lr scales it: 1e-5 at lr 1e-3.
param_scheduler = dict(
    type='CosineAnnealingLR', eta_min_ratio=0.01, by_epoch=True, convert_to_iter_based=True
)
auto_scale_lr = dict(enable=False, base_batch_size=256)
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=10)
val_cfg = dict(type='afno_mm.ValLoopWithLoss')
test_cfg = dict()
