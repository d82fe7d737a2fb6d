"""The validation loss as a setting."""

import json
from types import SimpleNamespace

import pytest
import torch
from afno_mm.engine import ValLossHook, build_model, build_runner, read_config, val_loss
from afno_mm.tasks import task_of
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.structures import PixelData
from running import REPOSITORY
from torch import nn

SAMPLES = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))


@DATASETS.register_module()
class LossSamples:
    """Seven samples: batches of three differ in size."""

    metainfo = dict(classes=('a',))

    def __getitem__(self, index):
        return dict(inputs=SAMPLES[index])

    def __len__(self):
        return len(SAMPLES)


@MODELS.register_module()
class NoisyModel(BaseModel):
    """A model with batch norm and dropout, whose loss draws random numbers even in evaluation."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 1)
        )

    def forward(self, inputs, mode):
        y = self.layers(inputs)
        if mode == 'predict':
            return list(y)
        noise = 0.0 * torch.rand(1).sum()
        return dict(loss_a=y.square().mean() + noise, loss_b=[y.abs().mean()], acc=y.mean())


@METRICS.register_module()
class MeanOutput(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results += [y.item() for y in data_samples]

    def compute_metrics(self, results):
        return dict(mean=sum(results) / len(results))


CONFIG = """
loader = dict(batch_size=3, num_workers=0, dataset=dict(type='LossSamples'),
              collate_fn=dict(type='default_collate'))
train_dataloader = dict(loader, sampler=dict(type='DefaultSampler', shuffle=True), drop_last=True)
val_dataloader = dict(loader, sampler=dict(type='DefaultSampler', shuffle=False))
model = dict(type='NoisyModel')
val_evaluator = dict(type='MeanOutput')
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
train_cfg = dict(by_epoch=True, max_epochs=2)
val_cfg = dict()
default_hooks = dict(checkpoint=dict(type='CheckpointHook', save_best='mean', rule='less'))
randomness = dict(seed=5)
default_scope = 'mmengine'
"""


def train(folder, **options):
    (folder / 'config.py').write_text(CONFIG)
    cfg = read_config(str(folder / 'config.py'), options)
    cfg.work_dir = str(folder)
    cfg.experiment_name = f'{folder.name}{len(options)}'
    runner = build_runner(cfg)
    runner.train()
    (log,) = folder.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return runner, [line for line in lines if 'mean' in line]


SETTING = {'val_cfg.type': 'afno_mm.ValLoopWithLoss'}


def test_loss_is_the_mean_over_samples_in_evaluation_mode(tmp_path):
    runner, lines = train(tmp_path, **SETTING)
    model = runner.model.eval()
    with torch.no_grad():
        y = model.layers(SAMPLES)
    assert lines[-1]['val/loss_a'] == pytest.approx(y.square().mean().item(), rel=1e-5)
    assert lines[-1]['val/loss_b'] == pytest.approx(y.abs().mean().item(), rel=1e-5)
    assert lines[-1]['val/loss'] == pytest.approx((y.square() + y.abs()).mean().item(), rel=1e-5)
    assert lines[-1]['val/acc'] == pytest.approx(y.mean().item(), rel=1e-4)
    (log,) = tmp_path.glob('*/*.log')
    assert 'val/loss: ' in log.read_text()


def test_training_is_the_same_to_the_bit(tmp_path):
    runs = []
    for name, options in (('without', {}), ('with', SETTING)):
        (tmp_path / name).mkdir()
        runs.append(train(tmp_path / name, **options))
    (plain, plain_lines), (other, lines) = runs
    for key, value in plain.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[key]), key
    assert [line['mean'] for line in plain_lines] == [line['mean'] for line in lines]
    assert not any('val/' in key for line in plain_lines for key in line)


def test_masks_of_several_sizes_in_a_batch_give_the_mean_over_the_images():
    cfg = read_config(str(REPOSITORY / 'configs/segformer_afno_b0_scenes.py'))
    model = build_model(cfg, None, 'cpu').eval()
    batch = task_of(cfg).random_batch(cfg.model, (32, 64), 2)
    mask = PixelData(data=torch.randint(19, (1, 64, 64)))  # not resized
    batch['data_samples'][1].gt_sem_seg = mask
    runner = SimpleNamespace(
        model=model, val_loop=None, message_hub=SimpleNamespace(log_scalars={})
    )
    found = []
    for batches in ([batch], [{k: v[i : i + 1] for k, v in batch.items()} for i in range(2)]):
        hook, metrics = ValLossHook(), {}
        hook.before_val_epoch(runner)
        for number, one in enumerate(batches):
            hook.before_val_iter(runner, number, one)
        hook.after_val_epoch(runner, metrics)
        found.append(metrics)
    assert found[0] == found[1] and found[0]['val/loss'] > 0


def test_best_checkpoint_can_be_that_of_the_lowest_loss(tmp_path):
    options = {'default_hooks.checkpoint.save_best': 'val/loss'}
    runner, lines = train(tmp_path, **SETTING, **options)
    best = runner.message_hub.get_info('best_score')
    assert best == pytest.approx(min(line['val/loss'] for line in lines))


def test_tensorboard_shows_both_losses_apart(tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    visualizer = dict(type='Visualizer', vis_backends=backends)
    train(tmp_path, **SETTING, visualizer=visualizer)
    (folder,) = tmp_path.glob('*/vis_data')
    events = EventAccumulator(str(folder)).Reload()
    assert {'loss', 'val/loss', 'val/loss_a'} <= set(events.Tags()['scalars'])


@pytest.mark.parametrize(
    'name', ['segformer_afno_b0_scenes', 'mit_afno_b0_images', 'vit_afno_inpainting_demo']
)
def test_every_task_has_a_validation_loss(name):
    cfg = Config.fromfile(REPOSITORY / f'configs/{name}.py')
    model = build_model(cfg, (32, 32), 'cpu').eval()
    batches = [task_of(cfg).random_batch(cfg.model, (32, 32), n) for n in (2, 1)]
    hook, runner, metrics = (
        ValLossHook(),
        SimpleNamespace(model=model, val_loop=None, message_hub=MessageHub('loss')),
        {},
    )
    hook.before_val_epoch(runner)
    for number, batch in enumerate(batches):
        hook.before_val_iter(runner, number, batch)
    hook.after_val_epoch(runner, metrics)
    losses = []
    for batch in batches:
        with torch.no_grad():
            values = model(**model.data_preprocessor(batch, False), mode='loss')
        losses.append(model.parse_losses(values)[0].item())
    assert metrics['val/loss'] == pytest.approx((2 * losses[0] + losses[1]) / 3, rel=1e-5)


def test_loss_is_the_mean_over_the_samples_of_all_processes(monkeypatch):
    torch.manual_seed(0)
    model = NoisyModel().eval()
    runner = SimpleNamespace(model=model, val_loop=None, message_hub=MessageHub('loss'))
    hooks = ValLossHook(), ValLossHook()
    for hook, samples in zip(hooks, (SAMPLES[:5], SAMPLES[5:])):
        hook.before_val_epoch(runner)
        hook.before_val_iter(runner, 0, dict(inputs=samples))
    first, second = (dict(hook.sums) for hook in hooks)

    # The third process has no samples, as with round_up=False. It must not leave the others alone.
    idle = ValLossHook()
    idle.before_val_epoch(runner)
    monkeypatch.setattr(val_loss, 'all_gather_object', lambda own: [first, second, idle.sums])
    expected = model.layers(SAMPLES).square().mean().item()
    for hook in (*hooks, idle):
        metrics = {}
        hook.after_val_epoch(runner, metrics)
        assert metrics['val/loss_a'] == pytest.approx(expected, rel=1e-5)
        assert 'val/samples' not in metrics
