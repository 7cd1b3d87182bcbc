# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What the mean revolution of a gear says: its mesh, the sidebands beside it, and the classical figures FM0, FM4 and NA4.

Sources: FM0 and FM4: R. M. Stewart, Some useful data analysis techniques for gearbox diagnostics, Southampton 1977; NA4 and the
signals they are taken of: J. J. Zakrajsek, D. P. Townsend, H. J. Decker, An analysis of gear fault detection methods as applied
to pitting fatigue failure data, NASA TM-105950, 1993. `cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport M_PI, NAN, cos, hypot, isfinite, sin, sqrt

from cython_ext.results import GearFigures

SIDEBANDS = 3
"""Sidebands on either side of the mesh that the sideband index adds up."""

FEWEST_TEETH = 6
"""With fewer teeth the sidebands of one harmonic meet those of the next."""

cdef enum:
    SHAFT_ORDERS = 2
    SIDES = 3
    TEETH = 6

# a signal smaller than this, of the average's RMS, is the rounding of float32 samples and has no shape
cdef double FLOOR = 1e-6
cdef double LEAST = 1e-150   # a variance whose square is still a number above 0


cdef struct Moments:
    double second
    double fourth


cdef class Gear:
    """Figures of one gear from its synchronous average, window after window.

    Allocates when it is made and then no more; releases the GIL while it computes and serves one thread at a time. NA4 compares
    with the mean variance of all windows so far: it begins at the kurtosis of the residual and rises as damage does; `records` and
    `mean_variance` are what it remembers.

    Args:
        samples_per_rev: steps of a revolution; the mesh and its sidebands must lie below half of them.
        teeth: number of teeth, 6 or more.

    Raises:
        ValueError: either is out of reach.
    """

    cdef double *cosine
    cdef double *sine
    cdef double *signal
    cdef bint busy
    cdef readonly long samples_per_rev
    """Steps of a revolution."""
    cdef readonly long teeth
    """Number of teeth: the order of the mesh."""
    cdef readonly long records
    """How many windows NA4 remembers."""
    cdef readonly double mean_variance
    """Mean over those windows of the variance of the residual."""

    def __cinit__(self, long samples_per_rev, long teeth):
        cdef long i
        if not TEETH <= teeth <= 100_000:
            raise ValueError(f"a gear of {teeth} teeth; it must have {TEETH} or more")
        if not 2 * (teeth + SIDES) < samples_per_rev <= 1 << 20:
            raise ValueError(f"{samples_per_rev} samples per revolution are too few for {teeth} teeth; take {2 * (teeth + SIDES) + 2}")
        self.samples_per_rev = samples_per_rev
        self.teeth = teeth
        self.cosine = <double *>PyMem_Malloc(samples_per_rev * sizeof(double))
        self.sine = <double *>PyMem_Malloc(samples_per_rev * sizeof(double))
        self.signal = <double *>PyMem_Malloc(samples_per_rev * sizeof(double))
        if self.cosine == NULL or self.sine == NULL or self.signal == NULL:
            raise MemoryError
        for i in range(samples_per_rev):
            self.cosine[i] = cos(2 * M_PI * i / samples_per_rev)
            self.sine[i] = sin(2 * M_PI * i / samples_per_rev)

    def __dealloc__(self):
        PyMem_Free(self.cosine)
        PyMem_Free(self.sine)
        PyMem_Free(self.signal)

    def resume(self, long records, double mean_variance):
        """Go on from what NA4 remembered earlier.

        Raises:
            ValueError: nothing like that can have been remembered.
        """
        if records < 0 or not 0 <= mean_variance < float("inf"):
            raise ValueError(f"{records} windows with a mean variance of {mean_variance}; neither can be negative or infinite")
        self.records = records
        self.mean_variance = mean_variance if records else 0.0

    def measure(self, const double[::1] average):
        """Return the `GearFigures` of a mean revolution, as `cython_ext.orders.synchronous_average` gives it.

        All are NaN when a sample is not finite. A figure whose denominator is nothing but rounding is NaN; NA4 then does not
        remember the window.

        Raises:
            ValueError: the length does not fit.
            RuntimeError: another thread is using this gear.
        """
        cdef long n = self.samples_per_rev
        cdef long i
        cdef double rms, mesh, fm0, sideband_index, na4
        cdef double low, high, harmonics, sides
        cdef double square = 0
        cdef double mean = 0
        cdef Moments residual, rest
        if average.shape[0] != n:
            raise ValueError(f"an average of {average.shape[0]} samples; this gear takes {n} per revolution")
        if self.busy:
            raise RuntimeError("this gear is in use by another thread; make one per thread")
        self.busy = True
        with nogil:
            low = high = average[0]
            for i in range(n):
                mean += average[i]
                low = min(low, average[i])
                high = max(high, average[i])
            mean /= n
            for i in range(n):
                self.signal[i] = average[i] - mean
                square += self.signal[i] * self.signal[i]
            rms = sqrt(square / n)
            mesh = self.amplitude(self.teeth)
            sides = 0
            for i in range(1, SIDES + 1):
                sides += self.amplitude(self.teeth - i) + self.amplitude(self.teeth + i)
            for i in range(1, SHAFT_ORDERS + 1):
                self.remove(i)
            harmonics = 0
            i = self.teeth
            while 2 * i < n:
                harmonics += self.remove(i)
                i += self.teeth
            residual = self.moments()
            i = self.teeth
            while 2 * (i - 1) < n:
                self.remove(i - 1)
                if 2 * (i + 1) < n:
                    self.remove(i + 1)
                i += self.teeth
            rest = self.moments()
        self.busy = False
        if not isfinite(square):
            return GearFigures(NAN, NAN, NAN, NAN, NAN, NAN)
        fm0 = (high - low) / harmonics if harmonics > FLOOR * rms else NAN
        sideband_index = sides / mesh if mesh > FLOOR * rms else NAN
        na4 = NAN
        if residual.second > max(LEAST, (FLOOR * rms) ** 2):
            self.mean_variance += (residual.second - self.mean_variance) / (self.records + 1)
            self.records += 1
            na4 = residual.fourth / (self.mean_variance * self.mean_variance)
        return GearFigures(mesh, sideband_index, fm0, kurtosis(&rest, rms), na4, kurtosis(&residual, rms))

    cdef double amplitude(self, long order) noexcept nogil:
        """Peak amplitude of an order in `signal`."""
        cdef double real, imaginary
        self.line(order, &real, &imaginary)
        return hypot(real, imaginary)

    cdef double remove(self, long order) noexcept nogil:
        """Take an order out of `signal`; return its peak amplitude. Half the samples per revolution has no sine."""
        cdef double real, imaginary
        cdef long n = self.samples_per_rev
        cdef long i
        cdef long angle = 0
        self.line(order, &real, &imaginary)
        for i in range(n):
            self.signal[i] -= real * self.cosine[angle] + imaginary * self.sine[angle]
            angle += order
            if angle >= n:
                angle -= n
        return hypot(real, imaginary)

    cdef void line(self, long order, double *real, double *imaginary) noexcept nogil:
        cdef long n = self.samples_per_rev
        cdef long i
        cdef long angle = 0
        cdef double a = 0
        cdef double b = 0
        for i in range(n):
            a += self.signal[i] * self.cosine[angle]
            b += self.signal[i] * self.sine[angle]
            angle += order
            if angle >= n:
                angle -= n
        real[0] = 2 * a / n
        imaginary[0] = 2 * b / n

    cdef Moments moments(self) noexcept nogil:
        cdef Moments m
        cdef long i
        cdef double squared
        m.second = m.fourth = 0
        for i in range(self.samples_per_rev):
            squared = self.signal[i] * self.signal[i]
            m.second += squared
            m.fourth += squared * squared
        m.second /= self.samples_per_rev
        m.fourth /= self.samples_per_rev
        return m


cdef double kurtosis(const Moments *m, double rms) noexcept:
    return m.fourth / (m.second * m.second) if m.second > max(LEAST, (FLOOR * rms) ** 2) else NAN
