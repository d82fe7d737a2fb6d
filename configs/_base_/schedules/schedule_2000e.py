# Few-shot fine-tuning (A.4): 2000 epochs of Adam, with lr 1e-4 for SA and 1e-3 for the other
# mixers, without clipping and weight decay. The paper validates every 100 epochs and reports the
# best value. It gives no batch size and no schedule: we use batches of 8 and a constant learning
# rate.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = None  # MMPretrain's vis_scheduler.py reads this key
auto_scale_lr = dict(enable=False, base_batch_size=8)
train_cfg = dict(by_epoch=True, max_epochs=2000, val_interval=100)
val_cfg = dict(type='afno_mm.ValLoopWithLoss')
test_cfg = dict()
