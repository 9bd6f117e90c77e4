// Numbers, vectors of them as wide as the processor's own, and their exponential. A library is for one type of numbers:
// `NUMBERS`, of those below, as the compiler is told.

#pragma once

#include <cstdint>

#if defined(BYTES)  // a test's own
#elif defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
typedef float Floats __attribute__((vector_size(BYTES)));
typedef double Doubles __attribute__((vector_size(BYTES)));
typedef int32_t Ints32 __attribute__((vector_size(BYTES)));
typedef int64_t Ints64 __attribute__((vector_size(BYTES)));

struct Float32 {
    typedef float T;
    typedef Floats Lanes;
    typedef Ints32 Ints;
    static constexpr int MANTISSA = 23, BIAS = 127, TERMS = 7;
    static constexpr T LEAST = -87, MOST = 88, LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f;
};

struct Float64 {
    typedef double T;
    typedef Doubles Lanes;
    typedef Ints64 Ints;
    static constexpr int MANTISSA = 52, BIAS = 1023, TERMS = 13;
    static constexpr T LEAST = -708, MOST = 709, LN2_HIGH = 6.93145751953125e-1, LN2_LOW = 1.42860682030941723212e-6;
};

// e^x to rounding, as 2^n e^r with |r| <= ln(2) / 2, the latter by its series; at the ends of T's range it stays there.
template <class F>
typename F::Lanes exponential(typename F::Lanes x) {
    typedef typename F::T T;
    const typename F::Lanes zero = {};
    x = x < F::LEAST ? zero + F::LEAST : x;  // as it is where it is not a number
    x = x > F::MOST ? zero + F::MOST : x;
    const T integers = T(3) * T(int64_t(1) << (F::MANTISSA - 1));  // sums with it are rounded to such
    const typename F::Lanes n = (x * T(1.44269504088896340736) + integers) - integers;
    const typename F::Lanes r = (x - n * F::LN2_HIGH) - n * F::LN2_LOW;
    typename F::Lanes series = zero + T(1);
    for (int i = F::TERMS; i; i--) series = T(1) + series * r * (T(1) / T(i));
    const typename F::Ints power = (__builtin_convertvector(n, typename F::Ints) + F::BIAS) << F::MANTISSA;
    return series * (typename F::Lanes)power;
}
