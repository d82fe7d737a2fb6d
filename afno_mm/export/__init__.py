"""Export models to ONNX, TorchScript and torch.export, with a check against PyTorch."""

from .api import DYNAMIC, Exported, export_model
from .formats import FORMATS, ExportError
from .parity import Parity, check_parity

__all__ = ['DYNAMIC', 'FORMATS', 'ExportError', 'Exported', 'Parity']
__all__ += ['check_parity', 'export_model']
