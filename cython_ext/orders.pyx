# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Order tracking: a waveform in steps of the shaft's angle instead of time, its mean over revolutions, amplitudes per order.

float32 samples in, float64 sums. Nothing here allocates or keeps state; the GIL is released while it computes. A sample that is
not finite makes the results that rest on it NaN. The order spectrum is Welch's density of the resampled waveform, made with
`samples_per_rev` as its rate: its bins are then orders. `cython_ext.reference` says the same in plain Python and is the oracle.
"""

from libc.math cimport M_PI, atan2, cos, fmax, fmin, hypot, isfinite, sin, sqrt

cdef enum:
    MOST_SAMPLES_PER_REV = 1 << 20
    # an interpolated value rests on this many samples before its place, and one more behind it
    REACH = 2


cdef int check_samples_per_rev(long samples_per_rev) except -1:
    if not 4 <= samples_per_rev <= MOST_SAMPLES_PER_REV:
        raise ValueError(f"{samples_per_rev} samples per revolution; it must be 4 to {MOST_SAMPLES_PER_REV}")
    return 0


cdef int check_increasing(const double[::1] times, str what) except -1:
    cdef Py_ssize_t i
    for i in range(times.shape[0]):
        if not isfinite(times[i]) or (i and times[i] <= times[i - 1]):
            raise ValueError(f"{what} must be finite and each later than the one before; number {i} is {times[i]}")
    return 0


cdef inline float between(const float *x, double position) noexcept nogil:
    """The value at a place between samples: the polynomial through the three samples before it and the three behind it."""
    cdef Py_ssize_t i = <Py_ssize_t>position
    cdef double c = position - i
    cdef double a = c + 2
    cdef double b = c + 1
    cdef double d = c - 1
    cdef double e = c - 2
    cdef double f = c - 3
    x += i - REACH
    return <float>(
        b * c * d * e * (1.0 / 120) * (a * x[5] - f * x[0])
        + a * c * d * f * (1.0 / 24) * (e * x[1] - b * x[4])
        + a * b * e * f * (1.0 / 12) * (c * x[3] - d * x[2])
    )


cdef class AngleResampler:
    """Reads a waveform at equal steps of the shaft's angle.

    Between samples it takes the polynomial of fifth degree through six of them: of a sine at f Hz the result is within
    5/1024 * (2 pi f / rate)^6 of the amplitude, 0.03 % at a tenth of the rate. What the waveform holds above half the
    `samples_per_rev` orders folds down, as with every sampling: take rate / (slowest shaft) samples per revolution or more.

    Every method writes revolution after revolution to `out`, as many whole ones as the waveform and `out` hold, and returns how
    many; what stands behind them in `out` is undefined. A revolution begins where the method says, and no sooner than with the
    third sample.

    Args:
        samples_per_rev: steps of a revolution, 4 or more.
        rate_hz: samples per second of the waveform.

    Raises:
        ValueError: either is out of reach.
    """

    cdef readonly long samples_per_rev
    """Steps of a revolution."""
    cdef readonly double rate_hz
    """Samples per second of the waveform."""

    def __cinit__(self, long samples_per_rev, double rate_hz):
        check_samples_per_rev(samples_per_rev)
        if not 0 < rate_hz < float("inf"):
            raise ValueError(f"a rate of {rate_hz} Hz; it must be above 0")
        self.samples_per_rev = samples_per_rev
        self.rate_hz = rate_hz

    def constant(self, const float[::1] x, double shaft_hz, float[::1] out not None):
        """Resample at a steady speed; the first revolution begins with the third sample.

        Args:
            x: samples.
            shaft_hz: rotations per second.
            out: float32 buffer to write to.

        Raises:
            ValueError: the speed is not above 0.
        """
        cdef Py_ssize_t n = x.shape[0]
        cdef Py_ssize_t room = out.shape[0]
        cdef Py_ssize_t k = 0
        cdef double step, position
        if not 0 < shaft_hz < float("inf"):
            raise ValueError(f"a shaft at {shaft_hz} Hz; it must be above 0")
        step = self.rate_hz / (shaft_hz * self.samples_per_rev)
        with nogil:
            while k < room:
                position = REACH + k * step
                if position >= n - REACH - 1:
                    break
                out[k] = between(&x[0], position)
                k += 1
        return k // self.samples_per_rev

    def profile(self, const float[::1] x, const double[::1] times_s, const double[::1] speeds_hz, float[::1] out not None):
        """Resample along a speed that was measured now and then; the first revolution begins with the third sample.

        The speed changes evenly between two of its values, and stays before the first and after the last.

        Args:
            x: samples.
            times_s: when the speed was measured, in seconds since the first sample.
            speeds_hz: rotations per second at those times.
            out: float32 buffer to write to.

        Raises:
            ValueError: lengths differ, there is no speed, a speed is not above 0, or times do not increase.
        """
        cdef Py_ssize_t knots = times_s.shape[0]
        cdef Py_ssize_t i, written
        if knots == 0 or speeds_hz.shape[0] != knots:
            raise ValueError(f"{knots} times and {speeds_hz.shape[0]} speeds; there must be as many of both, and one at least")
        check_increasing(times_s, "times")
        for i in range(knots):
            if not 0 < speeds_hz[i] < float("inf"):
                raise ValueError(f"a shaft at {speeds_hz[i]} Hz; it must be above 0")
        if x.shape[0] == 0 or out.shape[0] == 0:
            return 0
        with nogil:
            written = along_profile(
                &x[0], x.shape[0], self.rate_hz, self.samples_per_rev, &times_s[0], &speeds_hz[0], knots, &out[0], out.shape[0]
            )
        return written // self.samples_per_rev

    def tacho(self, const float[::1] x, const double[::1] edges_s, float[::1] out not None, long pulses_per_rev=1):
        """Resample between the pulses of a tacho; the first revolution begins with the first pulse from the third sample on.

        Between pulses the angle follows a smooth curve through them that never runs backwards.

        Args:
            x: samples.
            edges_s: times of the pulses in seconds since the first sample.
            out: float32 buffer to write to.
            pulses_per_rev: how many pulses make a revolution.

        Raises:
            ValueError: times do not increase, or there is no such number of pulses.
        """
        cdef Py_ssize_t written = 0
        check_increasing(edges_s, "pulses")
        if pulses_per_rev < 1:
            raise ValueError(f"{pulses_per_rev} pulses per revolution; it must be 1 or more")
        if x.shape[0] == 0 or out.shape[0] == 0 or edges_s.shape[0] < 2:
            return 0
        with nogil:
            written = along_pulses(
                &x[0], x.shape[0], self.rate_hz, self.samples_per_rev, &edges_s[0], edges_s.shape[0], pulses_per_rev,
                &out[0], out.shape[0],
            )
        return written // self.samples_per_rev


cdef Py_ssize_t along_profile(
    const float *x, Py_ssize_t n, double rate_hz, long samples_per_rev,
    const double *times, const double *speeds, Py_ssize_t knots, float *out, Py_ssize_t room,
) noexcept nogil:
    """Invert the integral of a speed that is linear between knots: time from phase, the root of a quadratic in each piece."""
    cdef Py_ssize_t k
    cdef Py_ssize_t j = 0
    cdef double t = REACH / rate_hz
    cdef double phase = 0
    cdef double v, slope, gained, missing, position
    while j < knots and times[j] <= t:
        j += 1
    if j == 0:
        v = speeds[0]
    elif j == knots:
        v = speeds[knots - 1]
    else:
        v = speeds[j - 1] + (speeds[j] - speeds[j - 1]) * (t - times[j - 1]) / (times[j] - times[j - 1])
    for k in range(room):
        missing = <double>k / samples_per_rev - phase
        slope = 0
        while j < knots:
            # before the first knot the speed is that of the first knot, so the piece up to it is level
            gained = (v + speeds[j]) / 2 * (times[j] - t)
            if gained >= missing:
                slope = (speeds[j] - v) / (times[j] - t)
                break
            phase += gained
            missing = <double>k / samples_per_rev - phase
            t = times[j]
            v = speeds[j]
            j += 1
        position = (t + 2 * missing / (v + sqrt(fmax(0.0, v * v + 2 * slope * missing)))) * rate_hz
        if not position < n - REACH - 1:
            return k
        out[k] = between(x, position)
    return room


cdef inline double pace(const double *edges, Py_ssize_t count, Py_ssize_t i) noexcept nogil:
    """Seconds per pulse at a pulse: the mean of both sides, at most thrice the shorter one, so that time never runs backwards."""
    cdef double before, behind
    if i == 0:
        return edges[1] - edges[0]
    if i == count - 1:
        return edges[i] - edges[i - 1]
    before = edges[i] - edges[i - 1]
    behind = edges[i + 1] - edges[i]
    return fmin((before + behind) / 2, 3 * fmin(before, behind))


cdef Py_ssize_t along_pulses(
    const float *x, Py_ssize_t n, double rate_hz, long samples_per_rev,
    const double *edges, Py_ssize_t count, long pulses_per_rev, float *out, Py_ssize_t room,
) noexcept nogil:
    """Cubic Hermite pieces of time over phase, for the phases of the pulses are equally spaced."""
    cdef Py_ssize_t k, i
    cdef Py_ssize_t first = 0
    cdef Py_ssize_t piece = -1
    cdef double phase, u, t, position
    cdef double start = 0
    cdef double width = 0
    cdef double leaving = 0
    cdef double arriving = 0
    while first < count and edges[first] * rate_hz < REACH:
        first += 1
    for k in range(room):
        phase = <double>k * pulses_per_rev / samples_per_rev
        i = first + <Py_ssize_t>phase
        if i + 1 >= count:
            return k
        if i != piece:
            piece = i
            start = edges[i]
            width = edges[i + 1] - start
            leaving = pace(edges, count, i)
            arriving = pace(edges, count, i + 1)
        u = phase - (i - first)
        t = start + u * (leaving + u * (3 * width - 2 * leaving - arriving + u * (leaving + arriving - 2 * width)))
        position = t * rate_hz
        if not position < n - REACH - 1:
            return k
        out[k] = between(x, position)
    return room


def order_spectrum(const double[::1] psd, double bin_orders, double[::1] out not None):
    """Write the peak amplitude of every bin of a Hann-windowed density to `out` and return it: that of the sine that tops there.

    Args:
        psd: one-sided density in unit² per order, from `Welch(nfft, samples_per_rev).psd` of a resampled waveform.
        bin_orders: distance of two bins, samples_per_rev / nfft.
        out: float64 buffer, a number per bin.

    Raises:
        ValueError: lengths differ, or the distance is not above 0.
    """
    cdef Py_ssize_t k
    if out.shape[0] != psd.shape[0]:
        raise ValueError(f"out has {out.shape[0]} numbers; the density has {psd.shape[0]} bins")
    if not 0 < bin_orders < float("inf"):
        raise ValueError(f"a bin distance of {bin_orders} orders; it must be above 0")
    with nogil:
        for k in range(psd.shape[0]):
            # the Hann window spreads a line over 1.5 bins of power
            out[k] = sqrt(3 * psd[k] * bin_orders)
    return out.base


def synchronous_average(const float[::1] x, double[::1] out not None):
    """Write the mean revolution of a resampled waveform to `out` and return how many revolutions it is the mean of.

    What turns with the shaft stays, everything else falls with the root of the number of revolutions (time-synchronous average).

    Args:
        x: resampled samples; what is left after the last whole revolution does not count.
        out: float64 buffer, one number per step of a revolution.

    Raises:
        ValueError: there is no whole revolution.
    """
    cdef Py_ssize_t steps = out.shape[0]
    cdef Py_ssize_t revs, r, i
    if steps == 0 or x.shape[0] < steps:
        raise ValueError(f"{x.shape[0]} samples are no whole revolution of {steps}")
    revs = x.shape[0] // steps
    with nogil:
        for i in range(steps):
            out[i] = x[i]
        for r in range(1, revs):
            for i in range(steps):
                out[i] += x[r * steps + i]
        for i in range(steps):
            out[i] /= revs
    return revs


def difference(const float[::1] x, const double[::1] average, float[::1] out not None):
    """Write `x` without its synchronous average to `out` and return it: what does not turn with the shaft, bearings for one.

    Args:
        x: resampled samples, from the same angle on as those that were averaged.
        average: the mean revolution.
        out: float32 buffer as long as `x`; may be `x` itself.

    Raises:
        ValueError: lengths do not fit.
    """
    cdef Py_ssize_t steps = average.shape[0]
    cdef Py_ssize_t i
    cdef Py_ssize_t step = 0
    if steps == 0 or out.shape[0] != x.shape[0]:
        raise ValueError(f"out has {out.shape[0]} numbers for {x.shape[0]} samples, the average has {steps}")
    with nogil:
        for i in range(x.shape[0]):
            out[i] = <float>(x[i] - average[step])
            step += 1
            if step == steps:
                step = 0
    return out.base


def drift(const float[::1] x, long samples_per_rev, long order, double[::1] out not None):
    """Write by how much the shaft was ahead of the speed assumed for resampling, per revolution, and return how sure that is.

    The phase of one strong order, a gear's mesh, is followed from revolution to revolution; it must not move by half a period of
    that order within a revolution, so the assumed speed must be right to 1 / (2 * order).

    Args:
        x: samples resampled at the assumed speed; what is left after the last whole revolution does not count.
        samples_per_rev: steps of a revolution.
        order: the order that is followed.
        out: float64 buffer of a number per revolution or more: how far ahead of the first one it is, in revolutions.

    Returns:
        Coherence, 0 to 1: 1 where the phase moves evenly, about 1 / sqrt(revolutions) where there is nothing but noise. NaN
        when a sample is not finite or there are less than two revolutions.

    Raises:
        ValueError: the order or a length does not fit.
    """
    cdef Py_ssize_t revs, r, i
    cdef double real, imaginary, before_real, before_imaginary, turn_real, turn_imaginary, held
    cdef double step_real, step_imaginary, ahead
    cdef double sum_real = 0
    cdef double sum_imaginary = 0
    cdef double total = 0
    check_samples_per_rev(samples_per_rev)
    revs = x.shape[0] // samples_per_rev
    if not 1 <= order < samples_per_rev / 2.0:
        raise ValueError(f"order {order} of a revolution of {samples_per_rev} samples; it must be 1 or more and below half of them")
    if out.shape[0] < revs:
        raise ValueError(f"out has {out.shape[0]} numbers for {revs} revolutions")
    if revs < 2:
        return float("nan")
    with nogil:
        step_real = cos(2 * M_PI * order / samples_per_rev)
        step_imaginary = -sin(2 * M_PI * order / samples_per_rev)
        before_real = before_imaginary = ahead = 0
        for r in range(revs):
            real = imaginary = 0
            turn_real = 1
            turn_imaginary = 0
            for i in range(r * samples_per_rev, (r + 1) * samples_per_rev):
                real += x[i] * turn_real
                imaginary += x[i] * turn_imaginary
                held = turn_real * step_real - turn_imaginary * step_imaginary
                turn_imaginary = turn_real * step_imaginary + turn_imaginary * step_real
                turn_real = held
            if r:
                sum_real += real * before_real + imaginary * before_imaginary
                sum_imaginary += imaginary * before_real - real * before_imaginary
                total += hypot(real, imaginary) * hypot(before_real, before_imaginary)
                ahead += atan2(
                    imaginary * before_real - real * before_imaginary, real * before_real + imaginary * before_imaginary
                )
            out[r] = ahead / (2 * M_PI * order)
            before_real = real
            before_imaginary = imaginary
    return hypot(sum_real, sum_imaginary) / total if total != 0 else 0.0
