# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Measures taken from a power spectral density: RMS in bands, vibration velocity and displacement, shaft harmonics.

All take a one-sided density in unit²/Hz from 0 Hz on, as `cython_ext.spectrum.Welch.psd` returns it, and the distance of its
bins; sums are float64. An edge of a band between two bins gives the bin nearest to it half weight, an edge on a bin gives it
all. A band that ends above the density ends with it. A density that is not finite gives NaN. Nothing is allocated where `out`
is given. `cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from libc.math cimport M_PI, NAN, ceil, fabs, floor, sqrt

from cython_ext.moments cimport MEAN, MOMENTS_FIELDS, RMS, moments, moments_clear, moments_result, moments_update, samples_excursions
from cython_ext.results import HighFrequency

cdef extern from "src/backend.h" nogil:
    bint backend_is_avx2()

cdef enum:
    # the high-frequency index: where metal touches metal, above what shafts and gears excite
    HIGH_FREQUENCY_LOW_HZ = 5000
    HIGH_FREQUENCY_HIGH_HZ = 10_000

# of half the rate, up to which a sensor's filter leaves the spectrum alone
cdef double HIGHEST_SHARE = 0.95
# times its RMS that a signal must exceed to be counted; noise does so once in 2000 samples
cdef double HIGH_FREQUENCY_LEVEL = 3.5
cdef double HALF_WIDTH_BINS = 1.5
cdef double HALF_WIDTH_SHARE = 0.01
cdef double ROUNDING = 1e-6


cdef Py_ssize_t edge(double edge_hz, double bin_hz, double *weight) noexcept:
    """The bin nearest to the edge of a band; it counts in full when the edge is on it, else half, for half of it lies beyond."""
    cdef double position = edge_hz / bin_hz
    cdef double nearest = floor(position + 0.5)
    weight[0] = 1.0 if fabs(position - nearest) < ROUNDING else 0.5
    return <Py_ssize_t>nearest


cdef int check_density(Py_ssize_t bins, double bin_hz) except -1:
    if not 0 < bin_hz < float("inf"):
        raise ValueError(f"a bin distance of {bin_hz} Hz; it must be above 0")
    if bins < 1:
        raise ValueError("the density has no bins")
    return 0


cdef int check_band(double low_hz, double high_hz) except -1:
    if not 0 <= low_hz < high_hz:
        raise ValueError(f"a band from {low_hz} to {high_hz} Hz; it must begin at 0 or above and end higher")
    return 0


cdef Band band_of(Py_ssize_t bins, double bin_hz, double low_hz, double high_hz) except *:
    cdef Band band
    check_density(bins, bin_hz)
    check_band(low_hz, high_hz)
    if low_hz > (bins - 1) * bin_hz:
        raise ValueError(f"a band from {low_hz} Hz, but the density ends at {(bins - 1) * bin_hz:g} Hz")
    band.first = edge(low_hz, bin_hz, &band.first_weight)
    if high_hz > (bins - 1) * bin_hz:
        band.last, band.last_weight = bins - 1, 1.0
    else:
        band.last = edge(high_hz, bin_hz, &band.last_weight)
    return band


cdef inline double integrated(double density, double hz, int integrations) noexcept nogil:
    cdef double omega = 2 * M_PI * hz
    cdef double squared = omega * omega
    if integrations == 0:
        return density
    return density / squared if integrations == 1 else density / (squared * squared)


cdef double mean_square(const double *psd, double bin_hz, const Band *band, int integrations) noexcept nogil:
    """The mean square in the band of the signal, integrated so many times (0, 1 or 2); 0 Hz counts only without integration."""
    cdef Py_ssize_t first = band.first
    cdef Py_ssize_t last = band.last
    cdef Py_ssize_t k
    cdef double total = 0
    cdef double weight
    if first == last:
        weight = min(band.first_weight, band.last_weight)
        return weight * integrated(psd[first], first * bin_hz, integrations) * bin_hz if first or not integrations else 0.0
    if first or not integrations:
        total = band.first_weight * integrated(psd[first], first * bin_hz, integrations)
    for k in range(first + 1, last):
        total += integrated(psd[k], k * bin_hz, integrations)
    total += band.last_weight * integrated(psd[last], last * bin_hz, integrations)
    return total * bin_hz


def band_rms(const double[::1] psd, double bin_hz, double low_hz, double high_hz):
    """Return the RMS in the band, in the unit of the signal: the root of the density summed over the bins of the band.

    Args:
        psd: one-sided density in unit²/Hz.
        bin_hz: distance of two bins.
        low_hz: lower edge.
        high_hz: upper edge.

    Raises:
        ValueError: there is no such band, or it begins above the density.
    """
    cdef Band band = band_of(psd.shape[0], bin_hz, low_hz, high_hz)
    return sqrt(mean_square(&psd[0], bin_hz, &band, 0))


def velocity_rms(const double[::1] psd, double bin_hz, double low_hz=10.0, double high_hz=1000.0):
    """Return the vibration velocity RMS in mm/s from a density of acceleration in (m/s²)²/Hz; ISO 20816 band 10 to 1000 Hz.

    Integrates in the spectrum: every bin is divided by (2 pi f)². 0 Hz does not count. Of a sine from 10.5 Hz on it is within
    0.5 % where bins are 0.5 Hz apart or less: of wider ones the lower edge cuts a part of the line.

    Args:
        psd: one-sided density of acceleration.
        bin_hz: distance of two bins.
        low_hz: lower edge.
        high_hz: upper edge.

    Raises:
        ValueError: there is no such band, or it begins above the density.
    """
    cdef Band band = band_of(psd.shape[0], bin_hz, low_hz, high_hz)
    return sqrt(mean_square(&psd[0], bin_hz, &band, 1)) * 1e3


def displacement_rms(const double[::1] psd, double bin_hz, double low_hz=10.0, double high_hz=1000.0):
    """Return the vibration displacement RMS in µm from a density of acceleration in (m/s²)²/Hz; ISO 20816 band 10 to 1000 Hz.

    As `velocity_rms`, integrated twice: every bin is divided by (2 pi f) to the power 4.

    Args:
        psd: one-sided density of acceleration.
        bin_hz: distance of two bins.
        low_hz: lower edge.
        high_hz: upper edge.

    Raises:
        ValueError: there is no such band, or it begins above the density.
    """
    cdef Band band = band_of(psd.shape[0], bin_hz, low_hz, high_hz)
    return sqrt(mean_square(&psd[0], bin_hz, &band, 2)) * 1e6


def band_energies(const double[::1] psd, double bin_hz, const double[::1] edges, double[::1] out not None):
    """Write the mean square in each band, in unit², to `out` and return it; its root is what `band_rms` returns.

    Args:
        psd: one-sided density in unit²/Hz.
        bin_hz: distance of two bins.
        edges: lower and upper edge of each band in turn; bands may overlap and come in any order.
        out: float64 buffer, a number per band; NaN for a band that begins above the density.

    Raises:
        ValueError: there is no such band, or lengths do not fit.
    """
    cdef Band band
    cdef Py_ssize_t bins = psd.shape[0]
    cdef Py_ssize_t i
    if edges.shape[0] != 2 * out.shape[0]:
        raise ValueError(f"{edges.shape[0]} edges for {out.shape[0]} bands; each has two")
    check_density(bins, bin_hz)
    for i in range(out.shape[0]):
        check_band(edges[2 * i], edges[2 * i + 1])
    for i in range(out.shape[0]):
        if edges[2 * i] > (bins - 1) * bin_hz:
            out[i] = NAN
            continue
        band = band_of(bins, bin_hz, edges[2 * i], edges[2 * i + 1])
        out[i] = mean_square(&psd[0], bin_hz, &band, 0)
    return out.base


cdef double order_amplitude(const double *psd, Py_ssize_t bins, double bin_hz, double hz) noexcept nogil:
    """Peak amplitude of the line at `hz`; NaN where its window leaves the density or reaches down to 0 Hz."""
    cdef double position = hz / bin_hz
    cdef double half_width = max(HALF_WIDTH_BINS, HALF_WIDTH_SHARE * position)
    cdef double low = ceil(position - half_width - ROUNDING)
    cdef double high = floor(position + half_width + ROUNDING)
    cdef double total = 0
    cdef Py_ssize_t k
    if not (low >= 1 and high <= bins - 1):
        return NAN
    for k in range(<Py_ssize_t>low, <Py_ssize_t>high + 1):
        total += psd[k]
    return sqrt(2 * total * bin_hz)


def harmonics(const double[::1] psd, double bin_hz, double shaft_hz, double first_order, double step, double[::1] out not None):
    """Write the peak amplitude, in the unit of the signal, of orders of the shaft to `out` and return it.

    Order k is the line at k times the shaft: the root of twice the power within 1.5 bins of it or 1 %, whichever is more. What
    is no single line is measured all the same, as the sine of equal power.

    Args:
        psd: one-sided density in unit²/Hz.
        bin_hz: distance of two bins.
        shaft_hz: rotations per second.
        first_order: order of the first number: 1, or 0.5 where half orders count.
        step: from one order to the next, 1 or 0.5.
        out: float64 buffer, a number per order; NaN where the window of the order leaves the density or reaches down to 0 Hz,
            and everywhere when two orders are less than 3 bins apart, for then they cannot be told from each other.

    Raises:
        ValueError: shaft, first order or step is not above 0.
    """
    cdef Py_ssize_t i
    check_density(psd.shape[0], bin_hz)
    for name, value in (("a shaft at", shaft_hz), ("a first order of", first_order), ("a step of", step)):
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} {value}; it must be above 0")
    for i in range(out.shape[0]):
        out[i] = NAN
        if step * shaft_hz >= 2 * HALF_WIDTH_BINS * bin_hz * (1 - ROUNDING):
            out[i] = order_amplitude(&psd[0], psd.shape[0], bin_hz, (first_order + i * step) * shaft_hz)
    return out.base


cdef int high_frequency_band(Py_ssize_t bins, double bin_hz, Band *band) except -1:
    """Whether the density reaches into the band of the high-frequency index, and the part it reaches."""
    cdef double high_hz = min(<double>HIGH_FREQUENCY_HIGH_HZ, HIGHEST_SHARE * (bins - 1) * bin_hz)
    if high_hz <= HIGH_FREQUENCY_LOW_HZ:
        return 0
    band[0] = band_of(bins, bin_hz, HIGH_FREQUENCY_LOW_HZ, high_hz)
    return 1


cdef float high_frequency_reach(double rms) noexcept nogil:
    return <float>(HIGH_FREQUENCY_LEVEL * rms)


def high_frequency_index(const float[::1] x, const double[::1] psd, double bin_hz):
    """Return `HighFrequency`: the RMS from 5 to 10 kHz, and how often the signal leaves 3.5 times its RMS.

    Says whether something strikes or rubs when nothing else is known of the machine. It is not the spike energy of an analyser,
    which listens up to 60 kHz. A rate below 21 kHz moves the upper edge to 0.95 of half the rate; without room above 5 kHz the RMS
    is NaN. Peaks are counted in the whole signal about its mean: one for every run of samples beyond, on either side.

    Args:
        x: the samples of which `psd` was taken.
        psd: their one-sided density in unit²/Hz.
        bin_hz: distance of two bins.

    Raises:
        ValueError: there are no samples or no bins.
    """
    cdef Band band
    cdef moments m
    cdef double[MOMENTS_FIELDS] fields
    cdef long n = x.shape[0]
    cdef long peaks = 0
    cdef bint avx2 = backend_is_avx2()
    cdef double rms = NAN
    if n == 0:
        raise ValueError("no samples to look for peaks in")
    check_density(psd.shape[0], bin_hz)
    if high_frequency_band(psd.shape[0], bin_hz, &band):
        rms = sqrt(mean_square(&psd[0], bin_hz, &band, 0))
    with nogil:
        moments_clear(&m)
        moments_update(&m, &x[0], n, avx2)
        moments_result(&m, fields)
        if not m.wrong:
            peaks = samples_excursions(&x[0], n, <float>fields[MEAN], high_frequency_reach(fields[RMS]), avx2)
    if m.wrong:
        return HighFrequency(NAN, NAN)
    return HighFrequency(rms, <double>peaks)
