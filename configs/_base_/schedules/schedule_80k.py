# MMSegmentation's schedule for convolutional networks on Cityscapes: SGD, batch 8, 80k iterations.
# That is 215 epochs of 2975 images.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005)
)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=1e-4, by_epoch=True, convert_to_iter_based=True)
]
auto_scale_lr = dict(enable=False, base_batch_size=8)
train_cfg = dict(by_epoch=True, max_epochs=215, val_interval=10)
val_cfg = dict(type='afno_mm.ValLoopWithLoss')
test_cfg = dict()
