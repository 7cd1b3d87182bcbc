# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Records of a log as frames: CRC-32C, framing, and the scan that finds every good record in a piece of disk.

A frame is a head of 24 bytes, little-endian, and the payload, filled up with zeros to a multiple of 8 bytes: u32 CRC, u32
length of the payload, u64 seq, i64 stamp. The CRC-32C covers everything behind it and continues from a `seed`, which stands for
the place the frame belongs to, so that a frame of another place is not taken for one of this. Behind frames that were written
together come 24 zeros where there is room; those that follow begin there, or on the next page of 4096 bytes.
`cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from array import array

HEAD = 24

cdef enum:
    SIZE = 24
    ALIGN = 8
    PAGE = 4096
    FEW_BITS = 2  # so many ones in a run of zeros are damage, not a frame: the shortest frame has more

cdef extern from *:
    """
    #if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "frames are written as they lie in memory, little-endian"
    #endif
    static inline int bits_set(uint64_t word) { return __builtin_popcountll(word); }
    """
    int bits_set(uint64_t) nogil

cdef uint32_t[8][256] table


cdef void fill_table() noexcept:
    cdef uint32_t i, crc
    cdef int bit, k
    for i in range(256):
        crc = i
        for bit in range(8):
            crc = (crc >> 1) ^ <uint32_t>0x82F63B78 if crc & 1 else crc >> 1
        table[0][i] = crc
    for i in range(256):
        for k in range(1, 8):
            table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xFF]


fill_table()


cdef uint32_t crc_of(uint32_t crc, const uint8_t *data, Py_ssize_t count) noexcept nogil:
    """CRC-32C of `count` bytes, continued from `crc`: eight bytes a step (slicing-by-8)."""
    cdef uint32_t low, high
    crc = ~crc
    while count >= 8:
        memcpy(&low, data, 4)
        memcpy(&high, data + 4, 4)
        low ^= crc
        crc = (
            table[7][low & 0xFF] ^ table[6][(low >> 8) & 0xFF] ^ table[5][(low >> 16) & 0xFF] ^ table[4][low >> 24]
            ^ table[3][high & 0xFF] ^ table[2][(high >> 8) & 0xFF] ^ table[1][(high >> 16) & 0xFF] ^ table[0][high >> 24]
        )
        data += 8
        count -= 8
    while count > 0:
        crc = (crc >> 8) ^ table[0][(crc ^ data[0]) & 0xFF]
        data += 1
        count -= 1
    return ~crc


cdef inline Py_ssize_t padded(Py_ssize_t length) noexcept nogil:
    return (SIZE + length + ALIGN - 1) & ~<Py_ssize_t>(ALIGN - 1)


cdef inline uint32_t word(const uint8_t *at) noexcept nogil:
    cdef uint32_t value
    memcpy(&value, at, 4)
    return value


cdef inline uint64_t long_word(const uint8_t *at) noexcept nogil:
    cdef uint64_t value
    memcpy(&value, at, 8)
    return value


cdef inline bint empty(const uint8_t *data, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Whether nothing was written at `at`: zeros, but for damage of a bit or two, or no room for a head."""
    if end - at < SIZE:
        return True
    return bits_set(long_word(data + at)) + bits_set(long_word(data + at + 8)) + bits_set(long_word(data + at + 16)) <= FEW_BITS


cdef inline bint good(const uint8_t *data, Py_ssize_t at, Py_ssize_t end, uint32_t seed, uint64_t after, uint64_t below) noexcept nogil:
    cdef uint32_t length
    cdef uint64_t seq
    if end - at < SIZE:
        return False
    length, seq = word(data + at + 4), long_word(data + at + 8)
    if seq <= after or seq >= below or <Py_ssize_t>length > end - at - SIZE:
        return False
    return crc_of(seed, data + at + 4, SIZE - 4 + <Py_ssize_t>length) == word(data + at)


def crc32c(const unsigned char[::1] data, uint32_t crc=0):
    """Return the CRC-32C (Castagnoli, RFC 3720) of `data`, continued from `crc`, the value of what stands before it."""
    return crc_of(crc, &data[0] if data.shape[0] else NULL, data.shape[0])


def frame(list payloads, const uint64_t[::1] seqs, const int64_t[::1] stamps, uint32_t seed):
    """Return the frames of these payloads (bytes), one after the other, without the zeros that follow the last.

    Raises:
        ValueError: not one seq and one stamp per payload.
        TypeError: a payload is not bytes.
    """
    cdef Py_ssize_t n = len(payloads)
    cdef Py_ssize_t i, length, at = 0, total = 0
    cdef uint32_t crc, short_length
    cdef bytes payload
    cdef uint8_t *out
    if seqs.shape[0] != n or stamps.shape[0] != n:
        raise ValueError(f"{n} payloads, {seqs.shape[0]} seqs and {stamps.shape[0]} stamps; one each per payload")
    for i in range(n):
        payload = payloads[i]
        if payload is None:
            raise TypeError("a payload is not bytes")
        total += padded(PyBytes_GET_SIZE(payload))
    result = bytearray(total)
    out = <uint8_t *>PyByteArray_AS_STRING(result)
    for i in range(n):
        payload = payloads[i]
        length = PyBytes_GET_SIZE(payload)
        short_length = <uint32_t>length
        memcpy(out + at + 4, &short_length, 4)
        memcpy(out + at + 8, &seqs[i], 8)
        memcpy(out + at + 16, &stamps[i], 8)
        memcpy(out + at + SIZE, PyBytes_AS_STRING(payload), length)
        crc = crc_of(seed, out + at + 4, SIZE - 4 + length)
        memcpy(out + at, &crc, 4)
        at += padded(length)
    return result


def scan(const unsigned char[::1] data, Py_ssize_t start, uint32_t seed, uint64_t after, uint64_t below):
    """Find every good frame in `data` from `start` on whose seq rises, beginning above `after` and staying below `below`.

    What is damaged is stepped over, eight bytes at a time, to the next good frame.

    Returns:
        Offsets (`array("I")`), seqs (`array("Q")`) and stamps (`array("q")`) of the frames; the offset behind the last one;
        the number of frames that should stand there and are damaged: 0 when the zeros follow, else at least 1.
    """
    cdef Py_ssize_t end = data.shape[0]
    cdef Py_ssize_t at = start, behind = start
    cdef const uint8_t *bytes_at = &data[0] if end else NULL
    cdef Py_ssize_t count = 0, room = 256
    cdef uint32_t[::1] offset_view
    cdef uint64_t[::1] seq_view
    cdef int64_t[::1] stamp_view
    cdef bint full = False
    offsets, seqs, stamps = array("I", bytes(4 * room)), array("Q", bytes(8 * room)), array("q", bytes(8 * room))
    while True:
        offset_view, seq_view, stamp_view = offsets, seqs, stamps
        full = False
        with nogil:
            while at + SIZE <= end:
                if not good(bytes_at, at, end, seed, after, below):
                    at += ALIGN
                    continue
                if count == room:
                    full = True
                    break
                after = long_word(bytes_at + at + 8)
                offset_view[count] = <uint32_t>at
                seq_view[count] = after
                stamp_view[count] = <int64_t>long_word(bytes_at + at + 16)
                count += 1
                at += padded(word(bytes_at + at + 4))
                behind = at
        if not full:
            break
        offset_view, seq_view, stamp_view = None, None, None
        offsets.frombytes(bytes(4 * room))
        seqs.frombytes(bytes(8 * room))
        stamps.frombytes(bytes(8 * room))
        room *= 2
    offset_view, seq_view, stamp_view = None, None, None
    del offsets[count:], seqs[count:], stamps[count:]
    return offsets, seqs, stamps, behind, damaged(bytes_at, behind, end, after)


cdef Py_ssize_t damaged(const uint8_t *data, Py_ssize_t at, Py_ssize_t end, uint64_t last) noexcept:
    """How many frames stood behind the last good one, judged by their heads; a head beyond recognition counts as one."""
    cdef Py_ssize_t count = 0
    if empty(data, at, end):
        at = (at + PAGE - 1) & ~<Py_ssize_t>(PAGE - 1)
        # what lies there may be of the file's former life, but then its seq is another one
        if empty(data, at, end) or bits_set(long_word(data + at + 8) ^ (last + 1)) > 1:
            return 0
    while end - at >= SIZE and long_word(data + at + 8) == last + count + 1 and <Py_ssize_t>word(data + at + 4) <= end - at - SIZE:
        count += 1
        at += padded(word(data + at + 4))
    return max(count, 1)


def payloads(const unsigned char[::1] data, Py_ssize_t base, const uint32_t[::1] offsets, const uint64_t[::1] seqs, uint32_t seed):
    """Return the payloads of these frames as bytes, None for one that is damaged.

    Args:
        data: a piece of the segment.
        base: offset in the segment at which the piece begins.
        offsets: where in the segment the frames begin.
        seqs: the seq of each.
        seed: as they were framed with.
    """
    cdef Py_ssize_t i, at
    cdef Py_ssize_t end = data.shape[0]
    cdef const uint8_t *bytes_at = &data[0] if end else NULL
    cdef list found = []
    if offsets.shape[0] != seqs.shape[0]:
        raise ValueError(f"{offsets.shape[0]} offsets and {seqs.shape[0]} seqs; one each per frame")
    for i in range(offsets.shape[0]):
        at = <Py_ssize_t>offsets[i] - base
        if at >= 0 and good(bytes_at, at, end, seed, seqs[i] - 1, seqs[i] + 1):
            found.append(PyBytes_FromStringAndSize(<const char *>bytes_at + at + SIZE, word(bytes_at + at + 4)))
        else:
            found.append(None)
    return found
