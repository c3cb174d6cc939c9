import numpy as np
from numpy.typing import NDArray

def pesq(fs: int, ref: NDArray[np.int16], deg: NDArray[np.int16], mode: str = ...) -> float: ...
