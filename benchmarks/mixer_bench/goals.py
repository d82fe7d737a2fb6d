"""What the mixers are meant to cost, beside what was measured."""

from dataclasses import dataclass

from .cases import PUBLIC_AFNO, STOCK_ESA
from .ratios import mean_ratios, ratios

AT_LEAST, AT_MOST = '>=', '<='


@dataclass
class Goal:
    """A bound on a ratio of ``name`` to ``base``, in a suite on a kind of device.

    Attributes:
        suite (str): The suite; of 'stages' the mean over SegFormer's stages counts, else the
            worst case.
        name (str): Row, by its beginning; with 'chosen' the path that AFNO chooses.
        base (str): Row that it is compared with.
        quantity (str): 'forward' or 'train', times faster; 'saved', share of the bytes.
        bound (float): What is to be reached.
        shape (str): Part of the shapes that count.
        device, dtype (str): As in the command line.
    """

    suite: str
    name: str
    base: str
    quantity: str
    bound: float
    shape: str = ''
    chosen: bool = True
    device: str = 'cpu'
    dtype: str = 'fp32'

    @property
    def relation(self):
        return AT_MOST if self.quantity == 'saved' else AT_LEAST

    def measured(self, results):
        """The measured ratio; None if it was not measured."""
        facts = results['circumstances']
        if (facts['device'].split(':')[0], facts['dtype']) != (self.device, self.dtype):
            return None
        vit = self.shape.startswith('ViT')
        cases = [
            case
            for case in results['cases']
            if case['suite'] == self.suite
            and self.shape in case['shape']
            and (vit or not case['shape'].startswith('ViT'))
        ]
        found = [ratio for ratio in (self._ratios(case) for case in cases) if ratio]
        if not found or len(found) < len(cases):
            return None
        if self.suite == 'stages':
            return mean_ratios(found)[self.quantity]
        values = [ratio[self.quantity] for ratio in found]
        return max(values) if self.relation == AT_MOST else min(values)

    def _ratios(self, case):
        rows = [
            row
            for row in case['rows']
            if row['kind'] == self.name.split()[0]
            and row['name'].startswith(self.name)
            and (row['chosen'] or not self.chosen)
        ]
        return ratios(rows[0], case, self.base) if rows else None

    def met(self, value):
        return value <= self.bound if self.relation == AT_MOST else value >= self.bound


PLAIN = dict(base=PUBLIC_AFNO, chosen=False)
GOALS = [
    *(
        Goal('stages', 'AFNO', PUBLIC_AFNO, *bound)
        for bound in (('forward', 2.6), ('train', 2.6), ('saved', 0.42))
    ),
    *(
        Goal('stages', 'AFNO-25%', PUBLIC_AFNO, *bound)
        for bound in (('forward', 6), ('train', 6), ('saved', 0.15))
    ),
    Goal('stages', 'AFNO torch', quantity='train', bound=1.5, **PLAIN),
    Goal('stages', 'AFNO torch', quantity='saved', bound=0.45, **PLAIN),
    Goal('stages', 'AFNO-25% torch', quantity='train', bound=3.5, **PLAIN),
    Goal('stages', 'AFNO', PUBLIC_AFNO, 'train', 1.25, shape='ViT-B/4'),
    Goal('mit', 'AFNO', STOCK_ESA, 'train', 4.3),
    Goal('mit', 'AFNO', STOCK_ESA, 'saved', 0.21),
    Goal('mit', 'AFNO-25%', STOCK_ESA, 'train', 8.5),
    Goal('tokens', 'AFNO', 'ESA', 'train', 13, shape='512x512'),
    Goal('model', 'AFNO', PUBLIC_AFNO, 'forward', 1.5, shape='1024x1024'),
    Goal('model', 'AFNO', PUBLIC_AFNO, 'train', 1.5, shape='1024x1024'),
    Goal('stages', 'AFNO', PUBLIC_AFNO, 'train', 4, device='cuda', dtype='tf32'),
    Goal('stages', 'AFNO', PUBLIC_AFNO, 'saved', 0.21, device='cuda', dtype='tf32'),
    Goal('stages', 'AFNO', PUBLIC_AFNO, 'train', 6, device='cuda', dtype='bf16'),
    Goal('stages', 'AFNO', PUBLIC_AFNO, 'saved', 0.11, device='cuda', dtype='bf16'),
    Goal('model', 'AFNO', 'ESA', 'train', 1, device='cuda', dtype='bf16'),
]
