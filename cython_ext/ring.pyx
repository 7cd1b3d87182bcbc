# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Ring of samples between a sensor, which gives them in pieces, and windows of one length.

Samples become float32 as they come in, so that no later step needs a pass of its own for that. `cython_ext.reference` says the same
in plain Python and is the test oracle.
"""

from cpython cimport array
from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memcpy

cdef enum:
    MOST_SAMPLES = 1 << 28

cdef array.array FLOATS = array.array("f")


cdef char kind_of(const Py_buffer *buffer) noexcept:
    """The letter of the format where it is one of ours in the machine's own byte order, else 0."""
    cdef const char *name = buffer.format
    if name == NULL:
        return 0
    if name[0] == b"@" or name[0] == b"=" or name[0] == b"<":
        name += 1
    if name[0] == 0 or name[1] != 0:
        return 0
    if name[0] == b"h" and buffer.itemsize == 2 or (name[0] == b"i" or name[0] == b"f") and buffer.itemsize == 4:
        return name[0]
    if name[0] == b"l" and buffer.itemsize == 4:
        return b"i"
    return 0


cdef void convert(const void *samples, char kind, Py_ssize_t first, Py_ssize_t n, double scale, double offset, float *to) noexcept:
    cdef Py_ssize_t i
    cdef const short *shorts = <const short *>samples + first
    cdef const int *ints = <const int *>samples + first
    cdef const float *floats = <const float *>samples + first
    if kind == b"h":
        for i in range(n):
            to[i] = <float>(shorts[i] * scale + offset)
    elif kind == b"i":
        for i in range(n):
            to[i] = <float>(ints[i] * scale + offset)
    elif scale == 1 and offset == 0:
        memcpy(to, floats, n * sizeof(float))
    else:
        for i in range(n):
            to[i] = <float>(floats[i] * scale + offset)


cdef class Ring:
    """Holds up to `capacity` samples; allocates when it is made and then no more where `out` is given.

    What does not fit pushes the oldest samples out, which `overflow` counts, so that what is held is always without a gap. Every
    method keeps the GIL and is a step of its own.

    Args:
        capacity: samples, 1 to 2**28.

    Raises:
        ValueError: another capacity.
    """

    cdef float *samples
    cdef Py_ssize_t start
    cdef readonly Py_ssize_t capacity
    """Most samples held."""
    cdef readonly Py_ssize_t available
    """Samples held."""
    cdef readonly Py_ssize_t skip
    """Samples still to come that `advance` has passed over already."""
    cdef readonly long long position
    """Samples before the oldest one that is held, since the ring was made or cleared."""
    cdef readonly long long overflow
    """Samples pushed out before they were passed, since the ring was made."""

    def __cinit__(self, Py_ssize_t capacity):
        if not 1 <= capacity <= MOST_SAMPLES:
            raise ValueError(f"a ring of {capacity} samples; it must hold 1 to {MOST_SAMPLES}")
        self.capacity = capacity
        self.samples = <float *>PyMem_Malloc(capacity * sizeof(float))
        if self.samples == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.samples)

    def __len__(self):
        return self.available

    def push(self, samples, double scale=1.0, double offset=0.0):
        """Take the next samples, each as sample * scale + offset.

        Args:
            samples: contiguous buffer of int16, int32 or float32.
            scale: unit per step of the converter.
            offset: added after that.

        Raises:
            ValueError: a buffer of another type.
        """
        cdef Py_buffer buffer
        PyObject_GetBuffer(samples, &buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
        cdef char kind = kind_of(&buffer)
        try:
            if kind == 0:
                name = "bytes" if buffer.format == NULL else (<bytes>buffer.format).decode()
                raise ValueError(f"samples of the type '{name}'; it must be int16 ('h'), int32 ('i') or float32 ('f')")
            self._take(buffer.buf, kind, buffer.len // buffer.itemsize, scale, offset)
        finally:
            PyBuffer_Release(&buffer)

    cdef void _take(self, const void *samples, char kind, Py_ssize_t n, double scale, double offset) noexcept:
        cdef Py_ssize_t first = min(n, self.skip)
        cdef Py_ssize_t room, end, part, surplus
        self.skip -= first
        self.position += first
        surplus = n - first - self.capacity
        if surplus > 0:              # even of these some do not fit
            self._drop(self.available)
            self.overflow += surplus
            self.position += surplus
            first += surplus
        room = self.capacity - self.available
        if n - first > room:
            self._drop(n - first - room)
        while first < n:
            end = (self.start + self.available) % self.capacity
            part = min(n - first, self.capacity - end)
            convert(samples, kind, first, part, scale, offset, self.samples + end)
            self.available += part
            first += part

    cdef void _drop(self, Py_ssize_t n) noexcept:
        self.overflow += n
        self._pass(n)

    cdef void _pass(self, Py_ssize_t n) noexcept:
        self.start = (self.start + n) % self.capacity
        self.available -= n
        self.position += n

    def window(self, Py_ssize_t length, out=None):
        """Return the oldest `length` samples as float32; they stay in the ring.

        Args:
            length: at most `available`.
            out: writable float32 buffer of `length` numbers to write to and return; a new array when None.

        Raises:
            ValueError: there are not so many samples, or `out` does not fit.
        """
        cdef float[::1] target
        cdef Py_ssize_t part
        if not 0 <= length <= self.available:
            raise ValueError(f"a window of {length} samples, but there are {self.available}")
        if out is None:
            out = array.clone(FLOATS, length, zero=False)
        target = out
        if target.shape[0] != length:
            raise ValueError(f"out has {target.shape[0]} numbers; the window has {length}")
        if length:
            part = min(length, self.capacity - self.start)
            memcpy(&target[0], self.samples + self.start, part * sizeof(float))
            if part < length:
                memcpy(&target[part], self.samples, (length - part) * sizeof(float))
        return out

    def advance(self, Py_ssize_t hop):
        """Pass over the oldest `hop` samples; when there are fewer, also over the next that come.

        Raises:
            ValueError: `hop` is below 0.
        """
        cdef Py_ssize_t here = min(hop, self.available)
        if hop < 0:
            raise ValueError(f"a hop of {hop} samples; it must be 0 or more")
        self._pass(here)
        self.skip += hop - here

    def clear(self):
        """Forget all samples, as after a gap: positions count from 0 again; `overflow` stays."""
        self.start = self.available = self.skip = 0
        self.position = 0
