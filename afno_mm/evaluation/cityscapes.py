"""The official Cityscapes evaluation, with the scores that papers report."""

import copy
import os.path as osp
import tempfile

from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as cityscapes
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log
from mmseg.evaluation import CityscapesMetric as MMSegCityscapesMetric

from ..registry import METRICS


@METRICS.register_module()
class CityscapesMetric(MMSegCityscapesMetric):
    """MMSegmentation's Cityscapes metric that also returns the class scores.

    It writes the predictions as label ids. cityscapesscripts compares them with
    ``*_gtFine_labelIds.png`` and ``*_gtFine_instanceIds.png``. The scores, in percent, are
    ``mIoU`` (the 19 classes of the benchmark), ``iIoU``, the means of both over categories, and
    ``IoU.<class>``.

    Args:
        output_dir: Folder for the predictions; by default a temporary one on this machine. A test
            on several machines needs a folder that all of them see.
        format_only: Only write the predictions, as for the test server. Needs ``output_dir``.
        keep_results: False deletes ``output_dir`` and all it contains at the end.
        collect_device: 'cpu' or 'gpu', as in MMEngine.
        prefix: Prefix of the names of the scores.
    """

    def __init__(
        self,
        output_dir: str | None = None,
        format_only: bool = False,
        keep_results: bool = True,
        collect_device: str = 'cpu',
        prefix: str = 'cityscapes',
    ) -> None:
        if output_dir is None:
            if format_only:
                raise ValueError('format_only=True needs an output_dir to write to')
            shared = [tempfile.mkdtemp(prefix='cityscapes_') if is_main_process() else None]
            broadcast_object_list(shared)
            output_dir, keep_results = shared[0], False
        options = dict(format_only=format_only, keep_results=keep_results)
        super().__init__(output_dir, collect_device=collect_device, prefix=prefix, **options)

    def process(self, data_batch: dict, data_samples: list[dict]) -> None:
        super().process(data_batch, data_samples)
        for _, label in self.results[-len(data_samples) :]:
            for path in (label, label.replace('labelIds', 'instanceIds')):
                if not (self.format_only or osp.isfile(path)):
                    raise FileNotFoundError(
                        f'The official evaluation needs {path}, of gtFine_trainvaltest.zip. '
                        'To evaluate without it, keep only IoUMetric in test_evaluator'
                    )

    def compute_metrics(self, results: list) -> dict[str, float]:
        if self.format_only:
            print_log(f'predictions are in {self.output_dir}', logger='current')
            return {}
        args = copy.copy(cityscapes.args)
        args.evalInstLevelScore = True
        args.JSONOutput = False
        args.quiet = True
        scores = cityscapes.evaluateImgLists(*zip(*results), args)
        metrics = dict(
            mIoU=scores['averageScoreClasses'],
            iIoU=scores['averageScoreInstClasses'],
            category_mIoU=scores['averageScoreCategories'],
            category_iIoU=scores['averageScoreInstCategories'],
        )
        for label in cityscapes.labels:
            if not label.ignoreInEval:
                metrics[f'IoU.{label.name}'] = scores['classScores'][label.name]
        metrics = {name: round(100 * value, 2) for name, value in metrics.items()}
        line = ', '.join(f'{name} {value}' for name, value in metrics.items())
        print_log(f'cityscapesscripts: {line}', logger='current')
        return metrics
