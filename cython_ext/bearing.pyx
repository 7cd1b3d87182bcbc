# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Scores of bearing faults on the spectrum of a squared envelope.

A damaged bearing gives a comb: lines at k times the rate at which rollers pass the damage. A line's level is its amplitude over
the median of the spectrum around it, in dB from 0 to 40. The score of a fault is the mean level of its first four lines, the
first counted twice, at that slip within the tolerance at which the mean is highest: one slip for all lines. Lines of the shaft
itself (k times its speed) do not count. An inner race passes the load once per turn, so half of its score are the lines one
shaft speed beside its own. Noise scores up to 9 dB.

Nothing is allocated per spectrum where `out` is given. `cython_ext.reference` says the same in plain Python and is the oracle.
"""

from cpython cimport array
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport NAN, fabs, isfinite, log10

from cython_ext.levels cimport MOST_DB, clipped_db, nearest, upper_median

cdef array.array DOUBLES = array.array("d")

SLIP = 0.008
"""How far the rate of a race or an element may be off what the geometry says."""

CAGE_SLIP = 0.015
"""The same for the cage, which slides more."""

cdef double RACE_SLIP = SLIP
cdef double SLOWER_CAGE = CAGE_SLIP
cdef double AROUND = 0.3       # of the shaft speed on either side: what the median is taken of
cdef double MASK_BINS = 2.0    # half width of a masked line of the shaft: the window's main lobe,
cdef double MASK_SHARE = 0.001  # or how far the speed wanders within a record

cdef enum:
    HARMONICS = 4
    SIDEBANDS = 3
    TAIL = 3
    RESULTS = 9
    LEAST_AROUND = 5


cdef class BearingScores:
    """Scores one bearing on spectra of `bins` amplitudes, `bin_hz` apart from 0 Hz on.

    Args:
        bins: number of amplitudes of a spectrum.
        bin_hz: distance of two.
        outer: rollers that pass a place of the outer race, per turn of the shaft (BPFO).
        inner: the same of the inner race (BPFI).
        element: turns of a roller per turn of the shaft (BSF); its damage strikes twice per turn.
        cage: turns of the cage per turn of the shaft (FTF).

    Raises:
        ValueError: a number is not above 0.
    """

    def __cinit__(self, Py_ssize_t bins, double bin_hz, double outer, double inner, double element, double cage):
        cdef int kind
        if bins < 4:
            raise ValueError(f"a spectrum of {bins} bins; it must have 4 or more")
        if not 0 < bin_hz < float("inf"):
            raise ValueError(f"a bin distance of {bin_hz} Hz; it must be above 0")
        self.rates[0], self.rates[1], self.rates[2], self.rates[3] = outer, inner, 2 * element, cage
        for kind in range(4):
            if not 0 < self.rates[kind] < float("inf"):
                raise ValueError("every rate of a bearing must be above 0")
        self.bins = bins
        self.bin_hz = bin_hz
        # two candidates per bin that the fourth line can move, where the second is still within the spectrum
        self.most_candidates = <Py_ssize_t>(8 * SLOWER_CAGE * bins) + 4
        self.scratch = <float *>PyMem_Malloc(bins * sizeof(float))
        self.sums = <double *>PyMem_Malloc(2 * self.most_candidates * sizeof(double))
        if self.scratch == NULL or self.sums == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.scratch)
        PyMem_Free(self.sums)

    def scores(self, const float[::1] spectrum, double shaft_hz, out=None):
        """Return nine numbers: the scores of outer race, inner race, rolling element and cage in dB, the level of the cage's
        lines 5 to 7 (their median) in dB, and the rates in Hz at which outer, inner, element (twice its turns) and cage were found.

        A score is NaN when the spectrum ends below the second line or is not finite. A spectrum of zeros scores 0.

        Args:
            spectrum: amplitudes from 0 Hz on.
            shaft_hz: speed of the shaft.
            out: writable float64 buffer of 9 numbers to write to and return; a new array when None.

        Raises:
            ValueError: a length or type does not fit, or `shaft_hz` is not above 0.
            RuntimeError: another thread is using this.
        """
        cdef double[::1] found
        self._check(spectrum.shape[0], shaft_hz)
        if out is None:
            out = array.clone(DOUBLES, RESULTS, zero=False)
        found = out
        if found.shape[0] != RESULTS:
            raise ValueError(f"out has {found.shape[0]} numbers; the scores are {RESULTS}")
        if self.busy:
            raise RuntimeError("this is in use by another thread; make one per thread")
        self.busy = True
        with nogil:
            self.score_into(&spectrum[0], shaft_hz, &found[0])
        self.busy = False
        return out

    def level(self, const float[::1] spectrum, double shaft_hz, double hz):
        """Return the level in dB of the line at `hz`; 0 where it is a line of the shaft, NaN beyond the spectrum.

        Raises:
            ValueError: a length or type does not fit, or `shaft_hz` is not above 0.
            RuntimeError: another thread is using this.
        """
        cdef double median
        cdef Py_ssize_t i
        self._check(spectrum.shape[0], shaft_hz)
        if self.busy:
            raise RuntimeError("this is in use by another thread; make one per thread")
        if not (hz > 0 and self._fits(hz)) or not self._finite(&spectrum[0]):
            return NAN
        self.busy = True
        median = self._median(&spectrum[0], hz, shaft_hz)
        self.busy = False
        i = nearest(hz / self.bin_hz)
        return self._level(&spectrum[0], i, shaft_hz, median)

    cdef int _check(self, Py_ssize_t bins, double shaft_hz) except -1:
        if bins != self.bins:
            raise ValueError(f"a spectrum of {bins} bins for scores of {self.bins}")
        if not 0 < shaft_hz < float("inf"):
            raise ValueError(f"a shaft speed of {shaft_hz} Hz; it must be above 0")
        return 0

    cdef void score_into(self, const float *spectrum, double shaft_hz, double *out) noexcept nogil:
        cdef int kind
        cdef double slip
        for kind in range(RESULTS):
            out[kind] = NAN
        if not (shaft_hz > 0 and isfinite(shaft_hz)) or not self._finite(spectrum):
            return
        for kind in range(4):
            slip = SLOWER_CAGE if kind == 3 else RACE_SLIP
            self._comb(spectrum, shaft_hz, self.rates[kind] * shaft_hz, slip, kind == 1, &out[kind], &out[5 + kind])
        out[4] = self._tail(spectrum, shaft_hz, out[8])

    cdef bint _finite(self, const float *spectrum) noexcept nogil:
        cdef bint odd = False
        cdef Py_ssize_t i
        for i in range(self.bins):
            odd |= spectrum[i] - spectrum[i] != 0
        return not odd

    cdef bint _fits(self, double hz) noexcept nogil:
        return hz / self.bin_hz + 0.5 < self.bins - 1

    cdef double _median(self, const float *spectrum, double hz, double shaft_hz) noexcept nogil:
        cdef Py_ssize_t middle = nearest(hz / self.bin_hz)
        cdef double wide = AROUND * shaft_hz / self.bin_hz
        cdef Py_ssize_t half = self.bins if wide > self.bins else max(<Py_ssize_t>LEAST_AROUND, <Py_ssize_t>wide)
        cdef Py_ssize_t first = max(<Py_ssize_t>1, middle - half)
        cdef Py_ssize_t last = min(self.bins - 1, middle + half)
        cdef Py_ssize_t i
        for i in range(first, last + 1):
            self.scratch[i - first] = spectrum[i]
        return upper_median(self.scratch, last - first + 1)

    cdef double _unmasked(self, const float *spectrum, Py_ssize_t i, double shaft_hz) noexcept nogil:
        cdef double hz = i * self.bin_hz
        cdef Py_ssize_t order = nearest(hz * (1 / shaft_hz))
        cdef double half = max(MASK_BINS * self.bin_hz, MASK_SHARE * hz)
        return 0.0 if order >= 1 and fabs(hz - order * shaft_hz) <= half * 1.000001 else spectrum[i]

    cdef double _level(self, const float *spectrum, Py_ssize_t i, double shaft_hz, double median) noexcept nogil:
        cdef double peak
        if not 1 <= i <= self.bins - 2:
            return 0.0
        peak = max(self._unmasked(spectrum, i - 1, shaft_hz), self._unmasked(spectrum, i, shaft_hz))
        peak = max(peak, self._unmasked(spectrum, i + 1, shaft_hz))
        if not peak > 0:
            return 0.0
        return MOST_DB if not median > 0 else clipped_db(20 * log10(peak / median))

    cdef void _comb(
        self, const float *spectrum, double shaft_hz, double rate_hz, double slip, bint sidebands, double *score, double *found_hz
    ) noexcept nogil:
        cdef Py_ssize_t wanted = <Py_ssize_t>(4 * slip * rate_hz * HARMONICS / self.bin_hz) + 1
        cdef Py_ssize_t n = min(max(wanted, <Py_ssize_t>3), self.most_candidates)
        cdef double start = rate_hz * (1 - slip)
        cdef double step = 2 * slip * rate_hz / (n - 1)
        cdef double *sums = self.sums
        cdef double *beside = self.sums + self.most_candidates
        cdef double weights = 0
        cdef double best = -1
        cdef double mean
        cdef Py_ssize_t best_first = 0
        cdef Py_ssize_t best_last = 0
        cdef Py_ssize_t j
        cdef int lines = 0
        cdef int sides = 0
        cdef int k, side
        for j in range(n):
            sums[j] = beside[j] = 0
        for k in range(1, HARMONICS + 1):
            if self._add(spectrum, shaft_hz, k, 0.0, start, step, n, rate_hz, 2.0 if k == 1 else 1.0, sums):
                weights += 2.0 if k == 1 else 1.0
                lines += 1
        if lines < 2:
            return
        if sidebands:
            for k in range(1, SIDEBANDS + 1):
                for side in range(-1, 2, 2):
                    sides += self._add(spectrum, shaft_hz, k, side * shaft_hz, start, step, n, rate_hz, 1.0, beside)
        for j in range(n):
            mean = sums[j] / weights
            if sides:
                mean = (mean + beside[j] / sides) / 2
            if mean > best:
                best = mean
                best_first = best_last = j
            elif mean == best and j == best_last + 1:
                best_last = j
        score[0] = best
        found_hz[0] = start + step * (best_first + best_last) / 2

    cdef bint _add(
        self, const float *spectrum, double shaft_hz, int k, double beside_hz, double start, double step, Py_ssize_t n,
        double rate_hz, double weight, double *sums
    ) noexcept nogil:
        """Add the levels of the k-th line at every candidate; False where the spectrum does not reach it."""
        cdef double nominal = k * rate_hz + beside_hz
        cdef double median, level
        cdef Py_ssize_t last = -1
        cdef Py_ssize_t i, j
        level = 0
        if not self._fits(k * (start + step * (n - 1)) + beside_hz) or k * start + beside_hz <= 0:
            return False
        median = self._median(spectrum, nominal, shaft_hz)
        for j in range(n):
            i = nearest((k * (start + step * j) + beside_hz) / self.bin_hz)
            if i != last:
                level = self._level(spectrum, i, shaft_hz, median)
                last = i
            sums[j] += weight * level
        return True

    cdef double _tail(self, const float *spectrum, double shaft_hz, double cage_hz) noexcept nogil:
        cdef float[TAIL] levels
        cdef double hz
        cdef int k
        if not (cage_hz > 0 and self._fits((HARMONICS + TAIL) * cage_hz)):
            return NAN
        for k in range(TAIL):
            hz = (HARMONICS + 1 + k) * cage_hz
            levels[k] = <float>self._level(
                spectrum, nearest(hz / self.bin_hz), shaft_hz, self._median(spectrum, hz, shaft_hz)
            )
        return upper_median(levels, TAIL)
