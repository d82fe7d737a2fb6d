# 450 epochs at a learning rate of 1.2e-4 (A.3). The paper gives no batch size, optimiser and
# schedule for this stage. Batch 8, AdamW, weight decay, warm-up, linear decay and the tenfold
# learning rate of the head are SegFormer's. 450 epochs of 2975 images in batches of 8 are 167k
# iterations; SegFormer trains for 160k.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1.2e-4, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys={
            'pos_embed': dict(decay_mult=0.0),
            'relative_position_bias_table': dict(decay_mult=0.0),
            'head': dict(lr_mult=10.0),
        },
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    # Reaches 0 at the end of train_cfg.max_epochs.
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=True, convert_to_iter_based=True),
]
auto_scale_lr = dict(enable=False, base_batch_size=8)
train_cfg = dict(by_epoch=True, max_epochs=450, val_interval=10)
val_cfg = dict(type='afno_mm.ValLoopWithLoss')
test_cfg = dict()
