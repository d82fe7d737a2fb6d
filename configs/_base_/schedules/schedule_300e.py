# 300 epochs of classification (A.3, A.5). The learning rate is batch / 512 * 5e-4: 1e-3 for the
# paper's batch of 1024. Five epochs of warm-up (the 6250 iterations of A.3), cosine decay to 1e-5,
# clipping at 1.0, weight decay 0.05. We read 'Adam' with that decay as AdamW. As in MMPretrain,
# norms, biases and position embeddings have no decay.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.0, bias_decay_mult=0.0, custom_keys={'pos_embed': dict(decay_mult=0.0)}
    ),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=True, end=5, convert_to_iter_based=True),
    # Down to 1 % of the learning rate, also when --auto-scale-lr scales it.
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.01,
        by_epoch=True,
        begin=5,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(enable=False, base_batch_size=1024)
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
val_cfg = dict(type='afno_mm.ValLoopWithLoss')
test_cfg = dict()
