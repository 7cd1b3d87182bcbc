# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The whole feature vector of a window of vibration in one call: what the other kernels measure, with all scratch owned.

`cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from cpython cimport array
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport NAN, isfinite, sqrt

from cython_ext.bands cimport Band, band_of, high_frequency_band, high_frequency_reach, mean_square, order_amplitude
from cython_ext.bearing cimport BearingScores
from cython_ext.envelope cimport Envelope
from cython_ext.moments cimport MEAN, MOMENTS_FIELDS, RMS, moments, moments_clear, moments_result, moments_update, samples_excursions
from cython_ext.results import Statistics
from cython_ext.spectrum cimport Welch, fast_length

cdef extern from "src/backend.h" nogil:
    bint backend_is_avx2()

cdef enum:
    SCORES = 9
    FEWEST_SAMPLES = 16

cdef double LEAST_BINS_APART = 3 * (1 - 1e-6)

cdef array.array DOUBLES = array.array("d")
cdef array.array FLOATS = array.array("f")

ENVELOPE_SHARE = 0.475
"""Of the rate, where the envelope's band ends by default: a sensor's filter leaves the spectrum alone up to there."""


cdef long longest_segment(long n, double rate_hz) noexcept:
    """The longest length that the FFT takes within the window and within a second."""
    cdef long most = <long>min(<double>n, max(2.0, rate_hz))
    while most > 2 and fast_length(most) > min(n, <long>max(2.0, rate_hz)):
        most -= 1
    return fast_length(most)


cdef class Channel:
    """Measures windows of `n` samples; allocates when it is made and then no more where `out` is given.

    The result is float64 numbers whose names are `names`, in that order:

    - every field of `cython_ext.results.Statistics`;
    - `velocity_rms` (mm/s) and `displacement_rms` (µm) from 10 to 1000 Hz or in `iso_hz`, as `cython_ext.bands` defines them; NaN
      when the rate does not reach the end of the band, or `unit_m_s2` is not given;
    - `high_frequency_rms` and `high_frequency_peaks`, see `cython_ext.bands.high_frequency_index`;
    - `band_1`, `band_2`, …: the RMS in each of `bands`; NaN for a band that begins above half the rate;
    - `order_1`, `order_2`, … (or `order_0.5`, …): peak amplitudes, see `cython_ext.bands.harmonics`; NaN without a shaft speed;
    - with a bearing: its scores `outer_db`, `inner_db`, `element_db`, `cage_db`, `cage_tail_db` and the rates at which they were
      found, `outer_hz`, `inner_hz`, `element_hz` and `cage_hz`, see `cython_ext.bearing`; NaN without a shaft speed.

    After a call `psd` holds the window's density (float64, unit²/Hz, bins `bin_hz` apart) and `spectrum` the spectrum of its
    squared envelope (float32, `envelope_bin_hz` apart); both are overwritten by the next call.

    Windows that cannot be measured have a defined result: with a sample that is not finite everything but `count` and `nonfinite` is
    NaN; a constant has only zeros, and NaN where a ratio does not exist. Clipping is told by `clipped`, not repaired.

    Args:
        n: samples per window, 16 to 2**26.
        rate_hz: samples per second.
        nfft: samples per segment of the density, see `cython_ext.spectrum.Welch`; None: a second, or the window when it is shorter.
        bands: pairs of lower and upper edge in Hz.
        orders: how many orders of the shaft.
        order_step: from one order to the next, and the first one: 1, or 0.5 with half orders.
        unit_m_s2: m/s² in one unit of the samples: 1, or 9.80665 for g; None where they are no acceleration.
        iso_hz: band of velocity and displacement; from 2 Hz below 600 rpm.
        envelope: lower and upper edge of the envelope's band in Hz; None: from 500 Hz, at most 0.1 of the rate, to
            0.475 of the rate.
        envelope_max_hz: end of the envelope's spectrum; None: 1000 Hz, or half the rate.
        prewhiten: of the envelope, see `cython_ext.envelope.Envelope`.
        bearing: rates of outer race, inner race, element and cage per turn of the shaft; None where none is known.

    Raises:
        ValueError: a number is out of its range; the message says which.
    """

    cdef Welch welch
    cdef Envelope detector
    cdef BearingScores scores
    cdef Band *limits
    cdef Band iso
    cdef Band high
    cdef bint has_iso
    cdef bint has_high
    cdef bint avx2
    cdef bint busy
    cdef int band_count
    cdef int order_count
    cdef double order_step
    cdef double scale
    cdef Py_ssize_t size
    cdef Py_ssize_t density_bins
    cdef double *density
    cdef float *amplitudes
    cdef readonly long n
    """Samples per window."""
    cdef readonly double rate_hz
    """Samples per second."""
    cdef readonly tuple names
    """What each number of a result is."""
    cdef readonly array.array psd
    """Density of the latest window."""
    cdef readonly array.array spectrum
    """Spectrum of the squared envelope of the latest window."""

    def __cinit__(
        self, long n, double rate_hz, *, nfft=None, bands=(), int orders=10, double order_step=1.0, unit_m_s2=None,
        iso_hz=(10.0, 1000.0), envelope=None, envelope_max_hz=None, bint prewhiten=True, bearing=None,
    ):
        if n < FEWEST_SAMPLES:
            raise ValueError(f"a window of {n} samples; it must have {FEWEST_SAMPLES} or more")
        if not 0 < rate_hz < float("inf"):
            raise ValueError(f"a rate of {rate_hz} Hz; it must be above 0")
        if orders < 0 or not 0 < order_step < float("inf"):
            raise ValueError(f"{orders} orders in steps of {order_step}; the number must be 0 or more, the step above 0")
        self.n, self.rate_hz, self.order_count, self.order_step = n, rate_hz, orders, order_step
        self.avx2 = backend_is_avx2()
        self.welch = Welch(longest_segment(n, rate_hz) if nfft is None else nfft, rate_hz)
        if self.welch.nfft > n:
            raise ValueError(f"segments of {nfft} samples in a window of {n}")
        self.density_bins = self.welch.nfft // 2 + 1
        self.psd = array.clone(DOUBLES, self.density_bins, zero=True)
        self.density = self.psd.data.as_doubles
        self._plan_bands(tuple(bands), unit_m_s2, iso_hz)
        low_hz, high_hz = (min(500.0, 0.1 * rate_hz), ENVELOPE_SHARE * rate_hz) if envelope is None else envelope
        max_hz = min(1000.0, rate_hz / 2) if envelope_max_hz is None else envelope_max_hz
        self.detector = Envelope(n, rate_hz, low_hz, high_hz, max_hz, prewhiten=prewhiten)
        self.spectrum = array.clone(FLOATS, self.detector.bins, zero=True)
        self.amplitudes = self.spectrum.data.as_floats
        if bearing is not None:
            self.scores = BearingScores(self.detector.bins, self.detector.bin_hz, *bearing)
        self._name()

    cdef int _plan_bands(self, tuple bands, unit_m_s2, iso_hz) except -1:
        cdef int i
        cdef double low_hz, high_hz
        cdef double bin_hz = self.rate_hz / self.welch.nfft
        low_hz, high_hz = iso_hz
        self.scale = NAN
        if unit_m_s2 is not None:
            self.scale = unit_m_s2
            if not 0 < self.scale < float("inf"):
                raise ValueError(f"a unit of {unit_m_s2} m/s²; it must be above 0")
        self.has_iso = high_hz <= self.rate_hz / 2
        if self.has_iso:
            self.iso = band_of(self.density_bins, bin_hz, low_hz, high_hz)
        self.has_high = high_frequency_band(self.density_bins, bin_hz, &self.high)
        self.band_count = len(bands)
        self.limits = <Band *>PyMem_Malloc((self.band_count + 1) * sizeof(Band))
        if self.limits == NULL:
            raise MemoryError
        for i in range(self.band_count):
            low_hz, high_hz = bands[i]
            self.limits[i].first = -1
            if not 0 <= low_hz < high_hz or low_hz <= self.rate_hz / 2:
                self.limits[i] = band_of(self.density_bins, bin_hz, low_hz, high_hz)
        return 0

    cdef int _name(self) except -1:
        cdef int i
        names = [*Statistics._fields, "velocity_rms", "displacement_rms", "high_frequency_rms", "high_frequency_peaks"]
        names += [f"band_{i + 1}" for i in range(self.band_count)]
        names += [f"order_{(i + 1) * self.order_step:g}" for i in range(self.order_count)]
        if self.scores is not None:
            names += ["outer_db", "inner_db", "element_db", "cage_db", "cage_tail_db"]
            names += ["outer_hz", "inner_hz", "element_hz", "cage_hz"]
        self.names = tuple(names)
        self.size = len(names)
        return 0

    def __dealloc__(self):
        PyMem_Free(self.limits)

    def __len__(self):
        return self.size

    @property
    def nfft(self):
        """Samples per segment of the density."""
        return self.welch.nfft

    @property
    def bin_hz(self):
        """Distance of two bins of `psd` in Hz."""
        return self.rate_hz / self.welch.nfft

    @property
    def envelope_bin_hz(self):
        """Distance of two bins of `spectrum` in Hz."""
        return self.detector.bin_hz

    @property
    def backend(self):
        """The build in use: `avx2`, `sse2` or `neon`."""
        return self.welch.backend

    def measure(self, const float[::1] x, double shaft_hz=float("nan"), out=None):
        """Return the features of a window.

        Args:
            x: `n` samples.
            shaft_hz: turns of the shaft per second; NaN where it is not known.
            out: writable float64 buffer of as many numbers as there are names, to write to and return; a new array when None.

        Raises:
            ValueError: a length or type does not fit.
            RuntimeError: another thread is using this channel.
        """
        cdef double[::1] numbers
        if x.shape[0] != self.n:
            raise ValueError(f"{x.shape[0]} samples for a window of {self.n}")
        if out is None:
            out = array.clone(DOUBLES, self.size, zero=False)
        numbers = out
        if numbers.shape[0] != self.size:
            raise ValueError(f"out has {numbers.shape[0]} numbers; there are {self.size} features")
        if self.busy:
            raise RuntimeError("this channel is in use by another thread; make one per thread")
        self.busy = True
        with nogil:
            self._measure(&x[0], shaft_hz, &numbers[0])
        self.busy = False
        return out

    cdef void _measure(self, const float *x, double shaft_hz, double *out) noexcept nogil:
        cdef double bin_hz = self.rate_hz / self.welch.nfft
        cdef bint turns = shaft_hz > 0 and isfinite(shaft_hz)
        cdef double[SCORES] scores
        cdef moments m
        cdef int i
        moments_clear(&m)
        moments_update(&m, x, self.n, self.avx2)
        moments_result(&m, out)
        self.welch.average_into(x, self.n, self.density)
        self.detector.spectrum_into(x, <float>out[MEAN], self.amplitudes)
        out += MOMENTS_FIELDS
        out[0] = out[1] = out[2] = out[3] = NAN
        if self.has_iso:
            out[0] = sqrt(mean_square(self.density, bin_hz, &self.iso, 1)) * self.scale * 1e3
            out[1] = sqrt(mean_square(self.density, bin_hz, &self.iso, 2)) * self.scale * 1e6
        if self.has_high:
            out[2] = sqrt(mean_square(self.density, bin_hz, &self.high, 0))
        if not m.wrong:
            out[3] = samples_excursions(
                x, self.n, <float>out[MEAN - MOMENTS_FIELDS], high_frequency_reach(out[RMS - MOMENTS_FIELDS]), self.avx2
            )
        out += 4
        for i in range(self.band_count):
            out[i] = NAN
            if self.limits[i].first >= 0:
                out[i] = sqrt(mean_square(self.density, bin_hz, &self.limits[i], 0))
        out += self.band_count
        for i in range(self.order_count):
            out[i] = NAN
            if turns and self.order_step * shaft_hz >= LEAST_BINS_APART * bin_hz:
                out[i] = order_amplitude(self.density, self.density_bins, bin_hz, (i + 1) * self.order_step * shaft_hz)
        out += self.order_count
        if self.scores is not None:
            self.scores.score_into(self.amplitudes, shaft_hz if turns else NAN, scores)
            for i in range(SCORES):
                out[i] = scores[i]
