# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What of a scan is worth reporting: deadband, change and heartbeat in one pass over its columns.

`cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport fabs, isnan
from libc.string cimport memset

cdef enum:
    QUALITY_BAD = 0

cdef struct Row:
    double deadband
    double heartbeat_s
    double value          # as reported last, not as seen last: a slow drift must not slip through below the deadband
    double reported_s
    unsigned char quality
    unsigned char reason
    bint always
    bint known            # false before the first report and after `force`


cdef inline bint moved(double value, double reported, double deadband) noexcept nogil:
    """Whether the value left the deadband; a number and NaN always differ, NaN and NaN never."""
    if value == reported or (isnan(value) and isnan(reported)):
        return False
    return not fabs(value - reported) <= deadband


cdef inline bint worth(const Row *row, double now_s, double value, unsigned char quality, unsigned char reason) noexcept nogil:
    if row.always or not row.known or quality != row.quality or reason != row.reason:
        return True
    if quality != QUALITY_BAD and moved(value, row.value, row.deadband):
        return True
    return row.heartbeat_s > 0.0 and now_s - row.reported_s >= row.heartbeat_s


cdef inline void remember(Row *row, double now_s, double value, unsigned char quality, unsigned char reason) noexcept nogil:
    row.value, row.quality, row.reason, row.reported_s, row.known = value, quality, reason, now_s, True


cdef class Gate:
    """Remembers what was reported of each row of a point table and picks from every scan what is worth reporting.

    Args:
        deadbands: per row, in the point's unit; a value is reported when it differs by more from the one reported last.
            0: any difference.
        heartbeats_s: per row, the longest silence in seconds; 0 or less: none.
        always: per row, 1 to report the point in every scan.

    Raises:
        ValueError: the three differ in length, or a deadband is negative or NaN.
    """

    cdef Row *rows
    cdef Py_ssize_t count

    def __cinit__(self, const double[::1] deadbands, const double[::1] heartbeats_s, const unsigned char[::1] always):
        cdef Py_ssize_t i
        cdef Py_ssize_t count = deadbands.shape[0]
        if heartbeats_s.shape[0] != count or always.shape[0] != count:
            raise ValueError(
                f"{count} deadbands, {heartbeats_s.shape[0]} heartbeats and {always.shape[0]} always flags; one each per row"
            )
        self.rows = <Row *>PyMem_Malloc(max(1, count) * sizeof(Row))
        if self.rows == NULL:
            raise MemoryError
        memset(self.rows, 0, max(1, count) * sizeof(Row))
        self.count = count
        for i in range(count):
            if not deadbands[i] >= 0.0:
                raise ValueError(f"row {i}: deadband {deadbands[i]} must be 0 or more")
            self.rows[i].deadband = deadbands[i]
            self.rows[i].heartbeat_s = heartbeats_s[i]
            self.rows[i].always = always[i] != 0

    def __dealloc__(self):
        PyMem_Free(self.rows)

    def __len__(self):
        """Return the number of rows of the table."""
        return self.count

    def select(
        self,
        double now_s,
        const double[::1] values,
        const unsigned char[::1] quality,
        const unsigned char[::1] reason,
        rows,
        int[::1] out,
    ):
        """Write the columns worth reporting into `out`, in order, remember them as reported, and return how many they are.

        A column is worth reporting when its row is reported for the first time, its quality or reason changed, its value
        (unless bad) left the deadband around the value reported last, its heartbeat is due, or it is to be reported always.

        Args:
            now_s: monotonic time.
            values: per column; the other arrays have the same length, `out` at least that.
            quality: per column, 0 is bad.
            reason: per column.
            rows: row of the table per column, int32; None when column i is row i.
            out: receives column numbers.

        Raises:
            ValueError: lengths do not fit.
            IndexError: a row is not in the table. In both cases nothing is remembered.
        """
        cdef const int[::1] index
        cdef const int *row_of = NULL
        cdef Py_ssize_t columns = values.shape[0]
        cdef Py_ssize_t i
        if quality.shape[0] != columns or reason.shape[0] != columns:
            raise ValueError(f"{columns} values, {quality.shape[0]} qualities and {reason.shape[0]} reasons; one each per column")
        if out.shape[0] < columns:
            raise ValueError(f"out has room for {out.shape[0]} columns where {columns} may be needed")
        if rows is None:
            if columns > self.count:
                raise IndexError(f"{columns} columns, but the table has {self.count} rows")
        else:
            index = rows
            if index.shape[0] != columns:
                raise ValueError(f"{index.shape[0]} rows for {columns} columns")
            for i in range(columns):
                if not 0 <= index[i] < self.count:
                    raise IndexError(f"column {i}: row {index[i]} is not in the table of {self.count} rows")
            if columns:
                row_of = &index[0]
        return self._select(now_s, values, quality, reason, row_of, out)

    cdef Py_ssize_t _select(
        self,
        double now_s,
        const double[::1] values,
        const unsigned char[::1] quality,
        const unsigned char[::1] reason,
        const int *row_of,
        int[::1] out,
    ) noexcept:
        cdef Py_ssize_t i
        cdef Py_ssize_t selected = 0
        cdef Row *row
        for i in range(values.shape[0]):
            row = &self.rows[i if row_of == NULL else row_of[i]]
            if worth(row, now_s, values[i], quality[i], reason[i]):
                remember(row, now_s, values[i], quality[i], reason[i])
                out[selected] = <int>i
                selected += 1
        return selected

    def force(self, Py_ssize_t row):
        """Make the next `select` that sees this row report it.

        Raises:
            IndexError: the row is not in the table.
        """
        self._at(row).known = False

    def touch(self, Py_ssize_t row, double value, unsigned char quality, unsigned char reason, double now_s):
        """Remember a report of this row that was made elsewhere; deadband and heartbeat count from it.

        Raises:
            IndexError: the row is not in the table.
        """
        remember(self._at(row), now_s, value, quality, reason)

    cdef Row *_at(self, Py_ssize_t row) except NULL:
        if not 0 <= row < self.count:
            raise IndexError(f"row {row} is not in the table of {self.count} rows")
        return &self.rows[row]
