/* Which build of the kernels runs on this processor.
 *
 * Every kernel is compiled from one source for the baseline of the architecture (SSE2 or NEON, four float lanes) and on x86-64 once
 * more for AVX2 with FMA (eight lanes); the choice is made at run time, so one wheel serves every processor.
 * GATEWAY_KERNELS=baseline forces the first, for tests.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#define HAVE_AVX2_BUILD 1
#define BASELINE_NAME "sse2"
#elif defined(__aarch64__)
#define HAVE_AVX2_BUILD 0
#define BASELINE_NAME "neon"
#else
#define HAVE_AVX2_BUILD 0
#define BASELINE_NAME "generic"
#endif

static inline int backend_is_avx2(void) {
#if HAVE_AVX2_BUILD
    const char *forced = getenv("GATEWAY_KERNELS");
    if (forced && strcmp(forced, "baseline") == 0) return 0;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 0;
#endif
}

static inline const char *backend_name(void) { return backend_is_avx2() ? "avx2" : BASELINE_NAME; }
