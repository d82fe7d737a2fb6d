"""One comparison: the candidates that are timed together, and why others are left out."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .candidates import Candidate, Mixers, backends, disagreement
from .limits import Work, afno_work
from .measure import Settings
from .memory import device_memory
from .peers import MissingPeerError, PublicAFNO

PUBLIC_AFNO, PUBLIC_FNO, STOCK_ESA = (
    'physicsnemo AFNO2DLayer',
    'neuralop SpectralConv',
    'mmseg EfficientMultiheadAttention',
)
QUARTER = 0.5  # share of the frequencies on each axis: 25 % of the modes
CUFFT = (
    'On GPUs the public AFNO layer leaves it to cuFFT what becomes of the parts of a spectrum that '
    'no real grid has (pytorch#154496). Its result can differ from that on a CPU, and from AFNO'
)
WIDE = 'On grids that are wider than high the public AFNO layer drops modes, so does less than AFNO'
# Two programs compute the same function if their relative L2 distance is below this.
TOLERANCES = dict(fp32=1e-4, tf32=1e-2, bf16=5e-2, fp16=1e-2)

Layers = list[tuple[nn.Module, Tensor]]  # mixers with their tokens


@dataclass
class Case:
    """Candidates of one suite at one size.

    Attributes:
        candidates: What is timed.
        left_out: What is not timed: names with reasons.
        agreement: Measured distances of candidates from the layers that they are compared with.
        notes: Settings that ``shape`` does not show.
    """

    suite: str
    shape: str
    tokens: int
    settings: Settings
    candidates: list[Candidate] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    agreement: list[dict] = field(default_factory=list)
    notes: str = ''

    def add(
        self,
        name: str,
        kind: str,
        build: Callable[[], tuple | list],
        refusal: str | None = None,
        candidate: type[Candidate] = Mixers,
        **options,
    ) -> Candidate | None:
        """Add a candidate, or note why it is left out.

        Args:
            name: Name in the tables.
            kind: See :class:`Candidate`.
            build: Returns the candidate's further positional arguments.
            refusal: Reason to leave it out.
            candidate: Class of the candidate.
            **options: Further arguments of the candidate.

        Returns:
            The candidate. None if it was left out.
        """
        only = self.settings.only
        if only and not any(part in name for part in only):
            refusal = '--only does not name it'
        if refusal:
            self.left_out[name] = refusal
            return None
        options.setdefault('autocast', self.settings.autocast)
        try:
            added = candidate(name, kind, *build(), **options)
        except (MissingPeerError, FileNotFoundError) as error:
            self.left_out[name] = str(error)
            return None
        self.candidates.append(added)
        return added

    def add_afno(self, name: str, layers: Layers, public: Layers | None = None) -> None:
        """Add each AFNO backend that takes all tokens and gives the right result.

        The result is compared with the public layer, or with the backend 'composed' if there is
        none. On grids that are wider than high, the public layer drops modes. On GPUs, its result
        can differ from its result on CPUs. In both cases 'composed' is used instead.

        Args:
            name: Name in the tables, before the backend.
            layers: AFNO mixers of this package with their tokens.
            public: Public layers with the same weights and tokens.
        """
        accepting, chosen, refusals = zip(*(backends(x) for _, x in layers))
        for refused in refusals:
            self.left_out |= {f'{name} {backend}': reason for backend, reason in refused.items()}
        common: list[str | None] = [b for b in accepting[0] if all(b in each for each in accepting)]
        if len(set(chosen)) > 1:
            common.insert(0, None)
        wide = any(x.shape[2] > x.shape[1] for _, x in layers)
        if public and (wide or self.settings.on_gpu):
            public = None
            self.notes = f'{self.notes}. {WIDE if wide else CUFFT}'.strip('. ')
        others = public or layers
        against = PUBLIC_AFNO if public else f'{name} composed'
        for backend in common:
            title = f'{name} {backend or " and ".join(sorted(set(chosen)))}'
            if title == against or self._agrees(title, backend, layers, against, others):
                added = self.add(title, name, lambda: [layers], backend=backend)
                if added:
                    added.chosen = backend is None or set(chosen) == {backend}
                    added.work = total_work(layers, self.settings.autocast)

    def add_public_afno(self, layers: Layers) -> Layers | None:
        """Add the public layer with the weights of AFNO mixers. Return its layers, if added."""

        def build():
            return [[(public_twin(mixer), x) for mixer, x in layers]]

        added = self.add(PUBLIC_AFNO, 'AFNO', build)
        if added is None:
            return None
        added.work = total_work(layers, self.settings.autocast)
        if self.settings.autocast:
            # Autocast can make the public layer slower. Time both: ratios use the faster one.
            fp32 = self.add(f'{PUBLIC_AFNO} fp32', 'AFNO', lambda: [added.layers], autocast=None)
            fp32.work = total_work(layers, None)
        return added.layers

    def _agrees(self, name, backend, layers, against, others):
        other_backend = None if against == PUBLIC_AFNO else 'composed'
        distances = [
            self._distance(mixer, backend, other, other_backend, x)
            for (mixer, x), (other, _) in zip(layers, others)
        ]
        return self.agrees(name, against, max(distances))

    def _distance(self, *arguments, other_adds_skip=False):
        device, dtype = self.settings.autocast or ('cpu', torch.bfloat16)
        with torch.autocast(device, dtype, enabled=bool(self.settings.autocast)):
            return disagreement(*arguments, other_adds_skip)

    def agrees(self, name: str, against: str, distance: float) -> bool:
        """Record a distance. If it exceeds the tolerance, leave the candidate out.

        Return True if it does not.
        """
        tolerance = TOLERANCES[self.settings.dtype]
        agrees = distance <= tolerance
        self.agreement.append(
            dict(name=name, against=against, distance=distance, tolerance=tolerance, agrees=agrees)
        )
        if not agrees:
            self.left_out[name] = (
                f'does not compute the same function as {against}: '
                f'relative distance {distance:.1e} > {tolerance:.0e}'
            )
        return agrees

    def esa_distance(self, esa: nn.Module, stock: nn.Module, x: Tensor) -> float:
        return self._distance(esa, None, stock, None, x, other_adds_skip=True)


def public_twin(mixer: nn.Module) -> PublicAFNO:
    """Return the public layer with the weights of an AFNO mixer."""
    twin = PublicAFNO(mixer.embed_dims, mixer.num_blocks, mixer.sparsity_threshold)
    twin.layer.load_state_dict(mixer.state_dict())
    return twin.to(mixer.w1.device)


def total_work(layers: Layers, autocast: tuple[str, torch.dtype] | None) -> dict[str, Work]:
    """Return the sum of :func:`afno_work` over AFNO mixers, by phase, in the dtype of autocast."""
    itemsize = (autocast[1] if autocast else torch.float32).itemsize
    works = [
        afno_work(x.shape, mixer.num_blocks, mixer.mode_fraction, itemsize) for mixer, x in layers
    ]
    return {phase: sum((work[phase] for work in works), Work()) for phase in works[0]}


def too_long(settings: Settings, attended: list[tuple[int, int]]) -> str | None:
    """Return why full attention would take too long, or None.

    Args:
        settings: How to measure.
        attended: Pairs (tokens, channels), one per attention layer.
    """
    flops = settings.batch * sum(4 * n**2 * c for n, c in attended)
    limit = 1e14 if settings.on_gpu else 1e11
    return f'{flops:.0e} operations forward, more than {limit:.0e}' if flops > limit else None


def too_large(settings: Settings, weights: int) -> str | None:
    """Return why attention with this many weights per image needs too much memory, or None."""
    needed = 3 * 4 * settings.batch * weights
    limit = device_memory(settings.device) / 2
    if needed <= limit:
        return None
    return f'attention weights need about {needed / 1e9:.0f} GB, more than half of the memory'
