// Vectors as wide as the processor's own, and their exponential. A library is compiled for one number type: the
// compiler defines `NUMBER` as Float32 or Float64.

#pragma once

#include <cstdint>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif

struct Float32 {
    typedef float T;
    typedef float Vector __attribute__((vector_size(BYTES)));
    typedef int32_t Integers __attribute__((vector_size(BYTES)));
    static constexpr int MANTISSA = 23, BIAS = 127, TERMS = 7;
    static constexpr T MIN_EXPONENT = -87, MAX_EXPONENT = 88, LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f;
};

struct Float64 {
    typedef double T;
    typedef double Vector __attribute__((vector_size(BYTES)));
    typedef int64_t Integers __attribute__((vector_size(BYTES)));
    static constexpr int MANTISSA = 52, BIAS = 1023, TERMS = 13;
    static constexpr T MIN_EXPONENT = -708, MAX_EXPONENT = 709, LN2_HIGH = 6.93145751953125e-1,
                       LN2_LOW = 1.42860682030941723212e-6;
};

// Returns e^x to rounding, as 2^n e^r with |r| <= ln(2) / 2, where e^r is a Taylor series. Saturates at the ends of T's
// range.
template <class F>
typename F::Vector exponential(typename F::Vector x) {
    typedef typename F::T T;
    const typename F::Vector zero = {};
    x = x < F::MIN_EXPONENT ? zero + F::MIN_EXPONENT : x;  // NaN compares false and stays NaN
    x = x > F::MAX_EXPONENT ? zero + F::MAX_EXPONENT : x;
    const T rounder = T(3) * T(int64_t(1) << (F::MANTISSA - 1));  // adding and subtracting it rounds to an integer
    const typename F::Vector n = (x * T(1.44269504088896340736) + rounder) - rounder;
    const typename F::Vector r = (x - n * F::LN2_HIGH) - n * F::LN2_LOW;
    typename F::Vector series = zero + T(1);
    for (int i = F::TERMS; i; i--) series = T(1) + series * r * (T(1) / T(i));
    const typename F::Integers power = (__builtin_convertvector(n, typename F::Integers) + F::BIAS) << F::MANTISSA;
    return series * (typename F::Vector)power;
}
