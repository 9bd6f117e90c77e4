// What taylor.py does between the products where SiLUs bend, each in one pass over dense arrays.

#pragma once

#include <cstdint>

#include "stack.h"

template <class F>
struct Streams {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    static constexpr int64_t W = BYTES / sizeof(T);

    // Numbers i, i + 1, ... of n.
    static Lanes load(const T* from, int64_t i, int64_t n) { return some<F>(from + i, n - i); }
    static void store(const Lanes& lanes, int64_t i, int64_t n, T* to) { put<F>(lanes, n - i, to + i); }

    // SiLU and its three derivatives.
    static void silu(int64_t n, const T* z, T* value, T* first, T* second, T* third) {
        for (int64_t i = 0; i < n; i += W) {
            const Lanes x = load(z, i, n), s = T(1) / (T(1) + exponential<F>(-x));
            const Lanes ds = s - s * s, dds = ds - T(2) * ds * s;
            store(x * s, i, n, value);
            store(s + x * ds, i, n, first);
            store(T(2) * ds + x * dds, i, n, second);
            store(T(3) * dds + x * (ds - T(6) * ds * ds), i, n, third);
        }
    }

    // `_advance`: z and out are (2, n), the slopes and the second derivatives; the last three are what is handed on.
    static void advance(int64_t n, const T* z, const T* first, const T* second, const T* third, const T* above, T* out,
                        T* bend, T* twice, T* push) {
        for (int64_t i = 0; i < n; i += W) {
            const Lanes slope = load(z, i, n), curve = load(z + n, i, n), s = load(first, i, n);
            const Lanes ds = load(second, i, n), g = load(above, i, n), pushed = ds * slope;
            store(slope * s, i, n, out);
            store(curve * s + pushed * slope, i, n, out + n);
            store((load(third, i, n) * slope * slope + ds * curve) * g, i, n, bend);
            store(T(2) * pushed * g, i, n, twice);
            store(pushed, i, n, push);
        }
    }

    // `_retreat`: above is (2, N, J), of_second (N), all else (N, J), and g (3, N, J).
    static void retreat(int64_t N, int64_t J, const T* above, const T* first, const T* bend, const T* twice,
                        const T* push, const T* below, const T* of_second, T* g) {
        const int64_t n = N * J;
        for (int64_t row = 0; row < N; row++) {
            const T weight = of_second[row];
            const int64_t end = (row + 1) * J;
            for (int64_t i = row * J; i < end; i += W) {
                const Lanes s = load(first, i, end), slope = load(above + n, i, end);
                const Lanes value = load(above, i, end) * s + load(bend, i, end) * weight + load(push, i, end) * slope;
                store(value, i, end, g);
                store(slope * s + load(twice, i, end) * weight, i, end, g + n);
                store(load(below, i, end) * weight, i, end, g + 2 * n);
            }
        }
    }
};
