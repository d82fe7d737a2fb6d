# One pass over the images fits new mixers, and the norms before them, to a teacher's mixers. AFNO
# adds its input to its output; attention adds far less to the tokens. So the norms first have to
# shrink AFNO's input, and they learn faster. In a ViT these norms have the name ln1.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=4e-3, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys={'norm1': dict(lr_mult=20.0, decay_mult=0.0)}),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=1)
