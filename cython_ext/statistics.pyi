from array import array

from _typeshed import ReadableBuffer

from cython_ext.results import Statistics as Statistics

def statistics(x: ReadableBuffer) -> Statistics: ...
def theil_sen(t: array[float], y: array[float]) -> float: ...
