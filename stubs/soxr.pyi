from numpy import float32
from numpy.typing import NDArray

def resample(x: NDArray[float32], in_rate: float, out_rate: float, quality: str = ...) -> NDArray[float32]: ...
