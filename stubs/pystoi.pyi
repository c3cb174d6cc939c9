import numpy as np
from numpy.typing import NDArray

def stoi(x: NDArray[np.int16], y: NDArray[np.int16], fs_sig: int, extended: bool = ...) -> float: ...
