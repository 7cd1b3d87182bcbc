# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Packed scans of a sensor as float32 columns, and the place where samples are missing between two of them.

A scan holds one sample of every channel, each in whole bytes of either order: a buffer of Linux Industrial I/O, interleaved PCM.
`cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum Kind:
    KIND_SIGNED
    KIND_UNSIGNED
    KIND_FLOAT
    KIND_COUNT

SIGNED = KIND_SIGNED
UNSIGNED = KIND_UNSIGNED
FLOAT = KIND_FLOAT

cdef enum:
    MOST_CHANNELS = 64


cdef struct Channel:
    Kind kind
    int at
    int size
    int bits
    int shift
    bint big
    double scale
    double offset


cdef inline uint64_t gather(const Channel *channel, const unsigned char *scan) noexcept nogil:
    """The bytes of a channel as an unsigned number."""
    cdef uint64_t raw = 0
    cdef int k
    scan += channel.at
    if channel.big:
        for k in range(channel.size):
            raw = raw << 8 | scan[k]
    else:
        for k in range(channel.size - 1, -1, -1):
            raw = raw << 8 | scan[k]
    return raw


cdef inline int64_t whole(const Channel *channel, const unsigned char *scan) noexcept nogil:
    """The valid bits of a channel as a signed number."""
    cdef int unused = 64 - channel.bits
    cdef uint64_t raw = gather(channel, scan) >> channel.shift << unused
    return <int64_t>raw >> unused if channel.kind == KIND_SIGNED else <int64_t>(raw >> unused)


cdef inline double number(const Channel *channel, const unsigned char *scan) noexcept nogil:
    """A sample before scale and offset."""
    cdef uint64_t raw
    cdef uint32_t half
    cdef float single = 0
    cdef double wide = 0
    if channel.kind == KIND_SIGNED:
        return <double>whole(channel, scan)
    if channel.kind == KIND_UNSIGNED:
        return <double>(<uint64_t>whole(channel, scan))
    raw = gather(channel, scan)
    if channel.size == 4:
        half = <uint32_t>raw
        memcpy(&single, &half, sizeof(single))
        return single
    memcpy(&wide, &raw, sizeof(wide))
    return wide


cdef class Decoder:
    """Decodes scans of one shape; made once per shape, used for every piece that is read.

    Args:
        size: bytes of a scan.
        channels: (at, size, kind, bits, shift, big_endian, scale, offset) each: where in a scan and of how many bytes (1 to 8), SIGNED,
            UNSIGNED or FLOAT (4 or 8 bytes), how many bits count after shifting right, value = (raw + offset) * scale.

    Raises:
        ValueError: a channel does not fit into the scan or into itself; the message says which.
    """

    cdef Channel *channels
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t size

    def __cinit__(self, Py_ssize_t size, channels):
        cdef Py_ssize_t i
        channels = tuple(channels)
        self.size = size
        self.count = len(channels)
        if size < 1 or self.count > MOST_CHANNELS:
            raise ValueError(f"{self.count} channels in a scan of {size} bytes; at most {MOST_CHANNELS} channels, at least 1 byte")
        self.channels = <Channel *>PyMem_Malloc(max(1, self.count) * sizeof(Channel))
        if self.channels == NULL:
            raise MemoryError
        for i, channel in enumerate(channels):
            self._set(i, tuple(channel))

    def __dealloc__(self):
        PyMem_Free(self.channels)

    cdef _set(self, Py_ssize_t i, tuple fields):
        cdef Channel *channel = &self.channels[i]
        cdef int at, size, kind, bits, shift
        cdef bint big
        cdef double scale, offset
        at, size, kind, bits, shift, big, scale, offset = fields
        if not 0 <= kind < KIND_COUNT:
            raise ValueError(f"channel {i}: unknown kind {kind}")
        if not 1 <= size <= 8 or at < 0 or at + size > self.size:
            raise ValueError(f"channel {i}: bytes {at} to {at + size} do not fit into a scan of {self.size}")
        if kind == KIND_FLOAT:
            if size not in (4, 8) or bits != 8 * size or shift:
                raise ValueError(f"channel {i}: a float has 32 or 64 bits and no shift, not {bits} of {8 * size} shifted by {shift}")
        elif bits < 1 or shift < 0 or bits + shift > 8 * size:
            raise ValueError(f"channel {i}: {bits} bits shifted by {shift} do not fit into {8 * size}")
        if not (isfinite(scale) and isfinite(offset)):
            raise ValueError(f"channel {i}: scale {scale} and offset {offset} must be finite")
        channel.kind, channel.at, channel.size, channel.bits, channel.shift = <Kind>kind, at, size, bits, shift
        channel.big, channel.scale, channel.offset = big, scale, offset

    def decode(self, const unsigned char[::1] data, outs):
        """Write the samples of the first channels, one for each of the float32 buffers; return how many scans there were.

        A cut scan at the end is left out.

        Raises:
            ValueError: there are more buffers than channels, or one is too short or not of float32.
        """
        cdef Py_ssize_t i, n = data.shape[0] // self.size
        cdef float[::1] out
        outs = tuple(outs)
        if len(outs) > self.count:
            raise ValueError(f"{len(outs)} buffers for {self.count} channels")
        for i, buffer in enumerate(outs):
            out = buffer
            if out.shape[0] < n:
                raise ValueError(f"channel {i}: {n} samples do not fit into {out.shape[0]}")
        if n == 0:
            return 0
        for i, buffer in enumerate(outs):
            out = buffer
            with nogil:
                self._column(&self.channels[i], &data[0], n, &out[0])
        return n

    cdef void _column(self, const Channel *channel, const unsigned char *data, Py_ssize_t n, float *out) noexcept nogil:
        cdef Py_ssize_t i
        cdef double scale = channel.scale, offset = channel.offset
        for i in range(n):
            out[i] = <float>((number(channel, data) + offset) * scale)
            data += self.size

    def whole(self, const unsigned char[::1] data, Py_ssize_t channel, int64_t[::1] out):
        """Write one channel of whole numbers as int64, unscaled; return how many scans there were.

        Raises:
            ValueError: there is no such channel, or the buffer is too short.
        """
        cdef Py_ssize_t i, n = data.shape[0] // self.size
        if not 0 <= channel < self.count or out.shape[0] < n:
            raise ValueError(f"channel {channel} of {self.count}, {n} samples into {out.shape[0]}")
        for i in range(n):
            out[i] = whole(&self.channels[channel], &data[i * self.size])
        return n


cdef enum:
    SURE = 32       # a loss counts as one when so many further stamps are late, too

cdef double LATE = 0.7        # of a period
cdef double TOGETHER = 0.25   # of a period: stamps that lie closer were given to a whole batch at once
cdef double CREEP = 5e-4      # by how much more than expected a sensor's clock may be slow
cdef int64_t SET_BACK_NS = 1_000_000_000


cdef class Pace:
    """Finds where samples are missing, from the moments they were stamped with.

    A stamp may be late, because a processor was busy, and a batch out of a FIFO may have one stamp for all, its last one's. What is
    late by most of a period, and stays so for 32 further stamps, comes after a loss; so the loss of a single sample is found.

    Args:
        period_ns: time between two samples as the sensor's clock has it, to some parts in ten thousand; `period_ns` may be set anew.
    """

    cdef public double period_ns
    cdef double _expected
    cdef int64_t _last
    cdef bint _begun

    def __init__(self, double period_ns):
        self.period_ns = period_ns
        self.begin()

    def begin(self):
        """Forget what came before: the next stamp begins anew."""
        self._begun = False

    def judge(self, const int64_t[::1] stamps):
        """Return (good, lost) for the stamps (ns) that follow those found good before.

        The first `good` of them have no loss between them. With `lost` > 0 so many samples are missing before the next one, -1 stands
        for an unknown number, because the clock was set back. With `lost` 0 the rest is to be given again, with what comes after it.
        """
        cdef Py_ssize_t i, n = stamps.shape[0], first = -1
        cdef double expected, lag, step, least = 0.0, period = self.period_ns, there = 0.0
        cdef int64_t base
        cdef int late = 0
        if n == 0:
            return 0, 0
        if not self._begun:
            self._begun = True
            self._expected = <double>stamps[0]
            self._last = stamps[0]
        base = stamps[0]
        expected = self._expected - <double>base
        for i in range(n):
            if stamps[i] - (stamps[i - 1] if i else self._last) < -SET_BACK_NS:
                self.begin()
                return i, -1
            lag = <double>(stamps[i] - base) - expected
            step = <double>(stamps[i + 1] - stamps[i]) if i + 1 < n else period
            if lag < 0.0:
                expected += lag
            if -TOGETHER * period < step < TOGETHER * period or lag >= LATE * period:
                if first < 0 and lag >= LATE * period:
                    first, there, late = i, expected, 0
                if first >= 0 and step >= TOGETHER * period:
                    least = lag if late == 0 or lag < least else least
                    late += 1
                    if late > SURE:
                        self._go(stamps, first, <double>base + there + least)
                        return first, max(1, <int64_t>(least / period + 0.5))
            else:
                first = -1
            expected += period * (1.0 + CREEP) if first < 0 else period
        if first >= 0:
            self._go(stamps, first, <double>base + there)
            return first, 0
        self._go(stamps, n, <double>base + expected)
        return n, 0

    cdef void _go(self, const int64_t[::1] stamps, Py_ssize_t good, double expected) noexcept:
        self._expected = expected
        if good:
            self._last = stamps[good - 1]
