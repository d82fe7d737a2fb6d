"""One comparison: candidates that are timed against each other, and why others are not."""

from dataclasses import dataclass, field

import torch

from .candidates import Mixers, disagreement, paths
from .limits import Work, afno_work
from .memory import device_memory
from .peers import MissingPeerError, PublicAFNO

PUBLIC_AFNO, PUBLIC_FNO, STOCK_ESA = (
    'physicsnemo AFNO2DLayer',
    'neuralop SpectralConv',
    'mmseg EfficientMultiheadAttention',
)
QUARTER = 0.5  # of the frequencies per axis: 25 % of the modes
WIDE = 'On grids that are wider than high the public AFNO layer drops modes, so does less than AFNO'
# Relative L2 distance up to which two programs compute one function.
TOLERANCES = dict(fp32=1e-4, tf32=1e-2, bf16=5e-2)


@dataclass
class Case:
    """Candidates of one suite at one size.

    Attributes:
        candidates (list[Candidate]): What is timed.
        left_out (dict[str, str]): Names of what is not, with the reason.
        agreement (list[dict]): How far candidates are from what they stand in for.
        notes (str): Settings that the shape does not tell.
    """

    suite: str
    shape: str
    tokens: int
    settings: object
    candidates: list = field(default_factory=list)
    left_out: dict = field(default_factory=dict)
    agreement: list = field(default_factory=list)
    notes: str = ''

    def add(self, name, kind, build, refusal=None, candidate=Mixers, **options):
        """Adds what is timed of ``build()``, unless there is a reason not to or it is missing.

        Args:
            name (str): In tables.
            kind (str): See :class:`Candidate`.
            build (callable): Returns ``(arguments of the candidate)``.
            refusal (str, optional): Why not.
            candidate (type): The class of it.
            **options: Of the candidate.
        """
        only = self.settings.only
        if only and not any(part in name for part in only):
            refusal = '--only does not name it'
        if refusal:
            self.left_out[name] = refusal
            return None
        options.setdefault('autocast', self.settings.autocast)
        try:
            made = candidate(name, kind, *build(), **options)
        except (MissingPeerError, FileNotFoundError) as error:
            self.left_out[name] = str(error)
            return None
        self.candidates.append(made)
        return made

    def add_afno(self, name, layers, public=None):
        """Adds each path that takes all tokens, after it was compared with the public layer.

        Without a public layer, and where it drops modes that it should keep (for a share of
        them, and on grids that are wider than high), paths are compared with the reference path.

        Args:
            name (str): In tables, before the path.
            layers (list[tuple[AFNO, Tensor]]): With the mixers of this package.
            public (list[tuple[nn.Module, Tensor]], optional): The same of the public layer.
        """
        taken, chosen, refusals = zip(*(paths(x) for _, x in layers))
        for refused in refusals:
            self.left_out |= {f'{name} {path}': reason for path, reason in refused.items()}
        common = [path for path in taken[0] if all(path in each for each in taken)]
        if len(set(chosen)) > 1:
            common.insert(0, None)
        if public and any(x.shape[2] > x.shape[1] for _, x in layers):
            public = None
            self.notes = f'{self.notes}. {WIDE}'.strip('. ')
        others = public or layers
        against = PUBLIC_AFNO if public else f'{name} reference'
        for path in common:
            title = f'{name} {path or " and ".join(sorted(set(chosen)))}'
            if title == against or self._agrees(title, path, layers, against, others):
                made = self.add(title, name, lambda: [layers], path=path)
                if made:
                    made.chosen = path is None or set(chosen) == {path}
                    made.work = total_work(layers)

    def add_public_afno(self, layers):
        """Adds the public layer with the weights of :class:`AFNO` mixers; returns its layers."""

        def build():
            return [[(public_twin(mixer), x) for mixer, x in layers]]

        made = self.add(PUBLIC_AFNO, 'AFNO', build)
        if made is None:
            return None
        made.work = total_work(layers)
        if self.settings.autocast:
            # Half precision may cost this one more than it gains: the better of the two counts.
            fp32 = self.add(f'{PUBLIC_AFNO} fp32', 'AFNO', lambda: [made.layers], autocast=None)
            fp32.work = made.work
        return made.layers

    def _agrees(self, name, path, layers, against, others):
        other_path = None if against == PUBLIC_AFNO else 'reference'
        distances = {
            x.shape: self._distance(mixer, path, other, other_path, x)
            for (mixer, x), (other, _) in zip(layers, others)
        }
        return self.agrees(name, against, max(distances.values()))

    def _distance(self, *arguments, other_adds_skip=False):
        device, dtype = self.settings.autocast or ('cpu', torch.bfloat16)
        with torch.autocast(device, dtype, enabled=bool(self.settings.autocast)):
            return disagreement(*arguments, other_adds_skip)

    def agrees(self, name, against, distance):
        """Keeps a distance; one beyond the tolerance leaves the candidate out."""
        tolerance = TOLERANCES[self.settings.dtype]
        agrees = distance <= tolerance
        self.agreement.append(
            dict(name=name, against=against, distance=distance, tolerance=tolerance, agrees=agrees)
        )
        if not agrees:
            self.left_out[name] = (
                f'computes something else than {against}: '
                f'relative distance {distance:.1e} > {tolerance:.0e}'
            )
        return agrees

    def esa_distance(self, esa, stock, x):
        return self._distance(esa, None, stock, None, x, other_adds_skip=True)


def public_twin(mixer):
    """The public layer with the weights of an AFNO mixer."""
    twin = PublicAFNO(mixer.embed_dims, mixer.num_blocks, mixer.sparsity_threshold)
    twin.layer.load_state_dict(mixer.state_dict())
    return twin.to(mixer.w1.device)


def total_work(layers):
    """:func:`afno_work` of AFNO mixers on their tokens."""
    works = [afno_work(x.shape, mixer.num_blocks, mixer.mode_fraction) for mixer, x in layers]
    return {phase: sum((work[phase] for work in works), Work()) for phase in works[0]}


def too_long(settings, attended):
    """Why not full attention, if that is so; ``attended`` are the (N, C) of all layers."""
    flops = settings.batch * sum(4 * n**2 * c for n, c in attended)
    limit = 1e14 if settings.on_gpu else 1e11
    return f'{flops:.0e} operations forward, more than {limit:.0e}' if flops > limit else None


def too_large(settings, weights):
    """Why not attention with stored weights, if that is so; ``weights`` is their number."""
    needed = 3 * 4 * settings.batch * weights
    limit = device_memory(settings.device) / 2
    return (
        f'attention weights need about {needed / 1e9:.0f} GB, more than half of the memory'
        if needed > limit
        else None
    )
