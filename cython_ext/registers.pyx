# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Answers of Modbus devices as float64 columns, one pass per answer, and the CRC of the RTU frame.

Base order is big-endian, as the standard prescribes (registers "AB CD"). `word_swap` reverses the order of the 16-bit words
of a value ("CD AB"), `byte_swap` swaps the two bytes of every word ("BA DC"); both together make it little-endian ("DC BA").
`cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport NAN, isfinite, round
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum Kind:
    KIND_BOOL
    KIND_BIT
    KIND_INT16
    KIND_UINT16
    KIND_INT32
    KIND_UINT32
    KIND_INT64
    KIND_UINT64
    KIND_FLOAT32
    KIND_FLOAT64
    KIND_COUNT

BOOL = KIND_BOOL
BIT = KIND_BIT
INT16 = KIND_INT16
UINT16 = KIND_UINT16
INT32 = KIND_INT32
UINT32 = KIND_UINT32
INT64 = KIND_INT64
UINT64 = KIND_UINT64
FLOAT32 = KIND_FLOAT32
FLOAT64 = KIND_FLOAT64

cdef int[10] SIZES = [1, 2, 2, 2, 4, 4, 8, 8, 4, 8]

cdef enum:
    QUALITY_BAD = 0
    QUALITY_GOOD = 192
    REASON_NONE = 0
    REASON_NO_SENSOR = 9

cdef enum:
    MAX_DECIMALS = 9
    CRC_START = 0xFFFF

# beyond this a float64 no longer holds every whole number
cdef int64_t EXACT = <int64_t>1 << 53

cdef uint16_t[256] crc_table


cdef void fill_crc_table() noexcept:
    cdef int i, bit
    cdef uint16_t crc
    for i in range(256):
        crc = <uint16_t>i
        for bit in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        crc_table[i] = crc


fill_crc_table()


def crc16(const unsigned char[::1] data):
    """Return the CRC-16/MODBUS of `data`, 0..65535; a frame carries it low byte first, so the CRC of a whole good frame is 0."""
    cdef uint16_t crc = CRC_START
    cdef Py_ssize_t i
    for i in range(data.shape[0]):
        crc = (crc >> 8) ^ crc_table[(crc ^ data[i]) & 0xFF]
    return crc


cdef struct Item:
    int column
    Kind kind
    int size
    int bit
    bint plain
    Py_ssize_t at
    unsigned char[8] order    # the value's bytes in the answer, most significant first, counted from `at`
    double factor             # value = (raw * factor + shift) / divisor
    double shift
    double divisor


cdef bint is_whole(double number, double divisor, double *whole) noexcept:
    """Whether `number` is the float64 next to whole / divisor for some whole number below 2**53."""
    whole[0] = round(number * divisor)
    return -EXACT < whole[0] < EXACT and whole[0] / divisor == number


cdef void set_scale(Item *item, double scale, double offset) noexcept:
    """Keep decimal scales exact: 3 at scale 0.1 is 0.3, not 0.30000000000000004, which the wire would have to carry.

    Where scale and offset are decimal fractions, both become whole numbers over one power of ten, so only the last division rounds.
    Not for float64: its own range would overflow in the middle.
    """
    cdef double divisor = 1.0
    cdef int decimals
    if item.kind != KIND_FLOAT64:
        for decimals in range(MAX_DECIMALS + 1):
            if is_whole(scale, divisor, &item.factor) and is_whole(offset, divisor, &item.shift):
                item.divisor = divisor
                return
            divisor *= 10.0
    item.factor, item.shift, item.divisor = scale, offset, 1.0


cdef unsigned char place(int k, int size, bint word_swap, bint byte_swap) noexcept:
    """Where in the answer the value's byte `k` stands, the most significant being byte 0."""
    if size == 1:
        return 0
    if word_swap:
        k = size - 2 - (k & ~1) + (k & 1)
    return <unsigned char>(k ^ 1 if byte_swap else k)


cdef class Decoder:
    """Decodes one kind of answer into columns of a scan; made once per request of a read plan, used for every answer.

    Args:
        items: (column, byte_offset, type_code, word_swap, byte_swap, bit, scale, offset) each; `byte_offset` counts from the
            first data byte of the answer. `bit` is 0 (least significant) to 15 for BIT; for BOOL it counts coils from
            `byte_offset`, eight to a byte, least significant first; otherwise it is ignored.

    Raises:
        ValueError: an item is out of range; the message says which and how.
    """

    cdef Item *items
    cdef Py_ssize_t count
    cdef readonly Py_ssize_t needed
    """Number of data bytes that an answer must have."""
    cdef readonly Py_ssize_t columns
    """Number of columns that the arrays must have."""

    def __cinit__(self, items):
        cdef Py_ssize_t i
        items = tuple(items)
        self.count = len(items)
        self.items = <Item *>PyMem_Malloc(max(1, self.count) * sizeof(Item))
        if self.items == NULL:
            raise MemoryError
        memset(self.items, 0, max(1, self.count) * sizeof(Item))
        for i, item in enumerate(items):
            self._set(i, tuple(item))

    def __dealloc__(self):
        PyMem_Free(self.items)

    cdef _set(self, Py_ssize_t i, tuple fields):
        cdef Item *item = &self.items[i]
        cdef int column, kind, bit, k
        cdef Py_ssize_t at
        cdef bint word_swap, byte_swap
        cdef double scale, offset
        column, at, kind, word_swap, byte_swap, bit, scale, offset = fields
        if column < 0 or at < 0:
            raise ValueError(f"item {i}: column {column} and byte offset {at} must not be negative")
        if not 0 <= kind < KIND_COUNT:
            raise ValueError(f"item {i}: unknown type code {kind}")
        if not (isfinite(scale) and isfinite(offset)):
            raise ValueError(f"item {i}: scale {scale} and offset {offset} must be finite")
        if kind == KIND_BIT and not 0 <= bit < 16:
            raise ValueError(f"item {i}: bit {bit} of a register; it has bits 0 to 15")
        if kind == KIND_BOOL:
            if bit < 0:
                raise ValueError(f"item {i}: coil {bit} must not be negative")
            at += bit >> 3
            bit &= 7
        item.column, item.kind, item.size, item.bit, item.at = column, <Kind>kind, SIZES[kind], bit, at
        item.plain = scale == 1.0 and offset == 0.0
        set_scale(item, scale, offset)
        for k in range(item.size):
            item.order[k] = place(k, item.size, word_swap, byte_swap)
        self.needed = max(self.needed, at + item.size)
        self.columns = max(self.columns, column + 1)

    def __len__(self):
        """Return the number of items."""
        return self.count

    def decode(self, const unsigned char[::1] data, double[::1] values, unsigned char[::1] quality, unsigned char[::1] reason):
        """Write raw * scale + offset, quality 192 and reason 0 into the column of every item; other columns stay as they are.

        Decimal scales and offsets are meant as written, 0.1 as a tenth: 3 at scale 0.1 gives 0.3, not 0.30000000000000004.
        A value that is not finite becomes NaN with quality 0 and reason 9 (no sensor).

        Returns:
            (column, exact integer) of every 64-bit integer with scale 1 and offset 0 that a float64 cannot be trusted to hold
            (magnitude above 2**53), or None when there is none, as is usual.

        Raises:
            ValueError: `data` or a column array is too short; nothing has been written then.
        """
        cdef Py_ssize_t i
        cdef uint64_t raw
        cdef double value
        cdef Item *item
        cdef list exact = None
        cdef const unsigned char *source = NULL
        if data.shape[0] < self.needed:
            raise ValueError(f"the answer has {data.shape[0]} bytes where {self.needed} are needed")
        if min(values.shape[0], quality.shape[0], reason.shape[0]) < self.columns:
            raise ValueError(
                f"{self.columns} columns are needed; "
                f"values has {values.shape[0]}, quality {quality.shape[0]}, reason {reason.shape[0]}"
            )
        if self.needed:
            source = &data[0]
        for i in range(self.count):
            item = &self.items[i]
            raw = gather(item, source)
            value = (number(item, raw) * item.factor + item.shift) / item.divisor
            if isfinite(value):
                values[item.column] = value
                quality[item.column] = QUALITY_GOOD
                reason[item.column] = REASON_NONE
            else:
                values[item.column] = NAN
                quality[item.column] = QUALITY_BAD
                reason[item.column] = REASON_NO_SENSOR
            if item.plain and (
                (item.kind == KIND_INT64 and not -EXACT <= <int64_t>raw <= EXACT)
                or (item.kind == KIND_UINT64 and raw > <uint64_t>EXACT)
            ):
                if exact is None:
                    exact = []
                exact.append((item.column, <int64_t>raw if item.kind == KIND_INT64 else raw))
        return exact


cdef inline uint64_t gather(const Item *item, const unsigned char *source) noexcept nogil:
    """The item's bytes as an unsigned number; `decode` has checked that they are there."""
    cdef uint64_t raw = 0
    cdef int k
    for k in range(item.size):
        raw = raw << 8 | source[item.at + item.order[k]]
    return raw


cdef inline double number(const Item *item, uint64_t raw) noexcept nogil:
    """The raw bits as the number they stand for."""
    cdef int unused = 64 - 8 * item.size
    cdef uint32_t half
    cdef float single = 0
    cdef double wide = 0
    if item.kind == KIND_BOOL or item.kind == KIND_BIT:
        return <double>(raw >> item.bit & 1)
    if item.kind == KIND_INT16 or item.kind == KIND_INT32 or item.kind == KIND_INT64:
        return <double>(<int64_t>(raw << unused) >> unused)    # the arithmetic shift brings the sign down
    if item.kind == KIND_FLOAT32:
        half = <uint32_t>raw
        memcpy(&single, &half, sizeof(single))
        return single
    if item.kind == KIND_FLOAT64:
        memcpy(&wide, &raw, sizeof(wide))
        return wide
    return <double>raw
