"""What the options of tools/test.py mean in a config of either framework."""

from copy import deepcopy

from .runner import type_name


def draw_predictions(cfg, folder, show, wait_time, interval):
    """Draw predictions, beside the ground truth where the framework can.

    Args:
        cfg (Config): Changed in place.
        folder (str, optional): Where pictures go.
        show (bool): Whether to open a window.
        wait_time (float): Seconds to show each picture.
        interval (int): Draw every n-th sample.
    """
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise ValueError(
            'drawing needs default_hooks.visualization in the config, as in '
            "dict(type='SegVisualizationHook') or dict(type='VisualizationHook')"
        )
    hook.update(show=show, wait_time=wait_time, interval=interval)
    if _is_segmentation(cfg):
        hook.draw = True
        if folder:
            cfg.visualizer.save_dir = folder
    else:
        hook.enable = True
        hook.out_dir = folder


def use_tta(cfg):
    """Test-time augmentation by ``tta_model`` and ``tta_pipeline``; classification has defaults.

    Args:
        cfg (Config): Changed in place.
    """
    if not _is_segmentation(cfg):
        classifies = type_name(cfg.model.type) == 'ImageClassifier'
        if classifies:
            cfg.setdefault('tta_model', dict(type='mmpretrain.AverageClsScoreTTA'))
        if classifies and 'tta_pipeline' not in cfg:
            *steps, pack = deepcopy(cfg.test_dataloader.dataset.pipeline)
            flips = [dict(type='RandomFlip', prob=p) for p in (1.0, 0.0)]
            cfg.tta_pipeline = [*steps, dict(type='TestTimeAug', transforms=[flips, [pack]])]
    for key in ('tta_model', 'tta_pipeline'):
        if key not in cfg:
            raise ValueError(
                f'--tta needs {key} in the config, as those of segmentation in configs/_base_/ have'
            )
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.model = dict(**cfg.tta_model, module=cfg.model)


def keep_predictions(cfg, path):
    """Keep predictions: PNGs in a folder (segmentation) or one pickle (all else).

    The PNGs hold label ids if the official Cityscapes evaluation is among the metrics, as
    the test server wants them, else class indices.

    Args:
        cfg (Config): Changed in place.
        path (str): Folder or .pkl file.
    """
    metrics = cfg.test_evaluator
    metrics = list(metrics) if isinstance(metrics, (list, tuple)) else [metrics]
    if not _is_segmentation(cfg):
        cfg.test_evaluator = [*metrics, dict(type='DumpResults', out_file_path=path)]
        return
    official = [m for m in metrics if type_name(m['type']) == 'CityscapesMetric']
    writer = (official or metrics)[0]
    writer['output_dir'] = path
    writer['keep_results'] = True
    cfg.test_evaluator = metrics


def _is_segmentation(cfg):
    return cfg.get('default_scope') == 'mmseg'
