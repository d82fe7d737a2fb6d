"""A Runner from a config file alone, as in a notebook."""

import pytest
from afno_mm.engine import build_runner, command_line, config, load_config
from mmengine.config import Config
from running import REPOSITORY

CONFIG = """
default_scope = '{scope}'
model = dict(type='ImgDataPreprocessor')
train_dataloader = dict(
    batch_size=2, num_workers=0, dataset=[dict(inputs=[0])] * 2,
    sampler=dict(type='DefaultSampler', shuffle=False))
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=1.0))
"""


def test_config_needs_neither_launcher_nor_work_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for scope, collate in (('mmengine', 'pseudo_collate'), ('mmpretrain', 'default_collate')):
        text = CONFIG.replace('{scope}', scope)
        (tmp_path / f'toy_{scope}.py').write_text(text)
        cfg = Config.fromfile(f'toy_{scope}.py')
        build_runner(cfg)
        assert cfg.launcher == 'none' and cfg.work_dir == f'work_dirs/toy_{scope}'
        assert cfg.train_dataloader.collate_fn.type == collate
        assert (tmp_path / cfg.work_dir).is_dir()


def test_an_option_without_a_value_is_named(capsys):
    path = str(REPOSITORY / 'configs/vit_afno_scenes.py')
    with pytest.raises(SystemExit):
        options = ['--cfg-options', 'train_cfg.max_epochs', '3']
        command_line('').parse_args([path, *options])
    assert "'train_cfg.max_epochs' is not of the form KEY=VALUE" in capsys.readouterr().err
    args = command_line('').parse_args([path, '--cfg-options', 'a=b=c', 'd=[1,2]'])
    assert args.cfg_options == dict(a='b=c', d=[1, 2])


@pytest.mark.parametrize('launcher, variable', [('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID')])
def test_a_launcher_that_has_not_started_the_process_is_refused(monkeypatch, launcher, variable):
    monkeypatch.delenv(variable, raising=False)
    args = command_line('').parse_args(
        [str(REPOSITORY / 'configs/vit_afno_scenes.py'), '--launcher', launcher]
    )
    with pytest.raises(ValueError, match=f'{variable} is not set. Use tools/dist_train.sh'):
        load_config(args)


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
@pytest.mark.parametrize('wanted', [True, False])
@pytest.mark.parametrize('own', [True, False])
def test_loaders_follow_the_config_the_arguments_and_the_device(device, wanted, own, monkeypatch):
    monkeypatch.setattr(config, 'get_device', lambda: device)
    loader = dict(num_workers=2, pin_memory=own, persistent_workers=own)
    cfg = Config(dict(train_dataloader=loader, val_dataloader=dict(loader, num_workers=0)))
    config.complete(cfg, pin_memory=wanted, persistent_workers=wanted)
    assert cfg.train_dataloader.persistent_workers == (wanted and own)
    assert cfg.train_dataloader.pin_memory == (wanted and own and device == 'cuda')
    assert not cfg.val_dataloader.persistent_workers  # PyTorch refuses it without workers


def test_mixed_precision_keeps_a_loss_scale_where_it_has_one(monkeypatch):
    def wrapper(device, **settings):
        monkeypatch.setattr(config, 'get_device', lambda: device)
        cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type='SGD'), **settings)))
        config.use_amp(cfg)
        return {key: value for key, value in cfg.optim_wrapper.items() if key != 'optimizer'}

    assert wrapper('cuda') == dict(type='AmpOptimWrapper', loss_scale='dynamic')
    own = dict(type='AmpOptimWrapper', loss_scale=512.0, dtype='bfloat16')
    assert wrapper('cuda', **own) == own
    assert wrapper('cpu', **own) == dict(type='afno_mm.CPUAmpOptimWrapper')
    with pytest.raises(ValueError, match="optim_wrapper.type is 'Theirs'"):
        wrapper('cpu', type='Theirs')
