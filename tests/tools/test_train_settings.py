"""What the options of train.py, test.py and baseline.py change."""

import runpy
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from running import REPOSITORY


@pytest.fixture
def changed(tmp_path):
    """A function that returns the config of which train.py builds a Runner."""
    train = runpy.run_path(str(REPOSITORY / 'tools/train.py'))['train']
    built = []
    runner = SimpleNamespace(train=lambda: None)
    train.__globals__['build_runner'] = lambda cfg: built.append(cfg) or runner

    def change(settings, **options):
        off = dict.fromkeys(('resume', 'compile', 'amp', 'no_validate', 'auto_scale_lr'))
        cfg = Config(dict(work_dir=str(tmp_path), train_cfg=dict(max_epochs=1)) | settings)
        train(cfg, SimpleNamespace(**off | options))
        return built.pop()

    return change


@pytest.mark.parametrize('own', [[], [dict(type='afno_mm.CompileHook', mode='max-autotune')]])
def test_compile_keeps_the_mode_of_a_hook_in_the_config(changed, own):
    hooks = changed(dict(custom_hooks=own), compile=True).custom_hooks
    assert hooks == (own or [dict(type='afno_mm.CompileHook')])


@pytest.mark.parametrize(
    'hooks', [None, *(dict(checkpoint=c) for c in (None, dict(save_best='a')))]
)
def test_no_validate_takes_a_config_without_checkpoints(changed, hooks):
    cfg = changed(dict(default_hooks=hooks), no_validate=True)
    assert cfg.val_cfg is None
    assert not ((cfg.default_hooks or {}).get('checkpoint') or {}).get('save_best')


def test_options_of_a_test_reach_the_config_and_the_runner(tmp_path, monkeypatch):
    main = runpy.run_path(str(REPOSITORY / 'tools/test.py'))['main']
    built, loaded = [], []
    runner = SimpleNamespace(rank=0, load_checkpoint=lambda **options: loaded.append(options))
    runner.test = lambda: runner.load_checkpoint()
    main.__globals__['build_runner'] = lambda cfg: built.append(cfg) or runner
    options = f'--work-dir {tmp_path} --show-dir {tmp_path} --interval 7 --wait-time 3 --amp'
    config = REPOSITORY / 'configs/segformer_afno_b0_scenes.py'
    monkeypatch.setattr('sys.argv', ['test.py', str(config), 'a.pth', *options.split()])
    main()
    (cfg,) = built
    hook = cfg.default_hooks.visualization
    assert (hook.interval, hook.wait_time) == (7, 3) and cfg.test_cfg.fp16
    assert cfg.load_from == 'a.pth' and loaded == [dict(strict=True)]


@pytest.mark.parametrize('folders, names', [('ab', ['a', 'b']), ('aa', ['a/0.json', 'a/1.json'])])
def test_models_beside_a_baseline_have_the_names_of_their_folders(
    folders, names, tmp_path, monkeypatch
):
    main = runpy.run_path(str(REPOSITORY / 'tools/baseline.py'))['main']
    shown = []
    task = SimpleNamespace(baseline=lambda cfg, models: shown.append(models))
    main.__globals__['task_of'] = lambda cfg: task
    files = [tmp_path / folder / f'{number}.json' for number, folder in enumerate(folders)]
    for number, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'{{"mIoU": {number}}}')
    config = str(REPOSITORY / 'configs/segformer_afno_b0_scenes.py')
    monkeypatch.setattr('sys.argv', ['baseline.py', config, '--beside', *map(str, files)])
    main()
    assert shown == [{str(tmp_path / name): dict(mIoU=i) for i, name in enumerate(names)}]
