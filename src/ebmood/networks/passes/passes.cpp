// Passes through a stack of linear layers, by the names that compiled.py calls them by, for both types of numbers.

#include "../lanes.h"
#include "stack.h"
#include "chains.h"
#include "norms.h"
#include "half.h"
#include "posterior.h"
#include "straight.h"
#include "watched.h"
#include "streams.h"

#define NAMED(F, SUFFIX)                                                                                             \
    extern "C" void gradient_##SUFFIX(const Stack<F>& stack, int64_t N, const F::T* x, const int64_t* chosen,        \
                                      F::T* logits, F::T* out) {                                                     \
        gradient(stack, N, x, chosen, logits, out);                                                                  \
    }                                                                                                                \
    extern "C" void straight_forth_##SUFFIX(const Stack<F>& stack, int64_t N, F::T* x, F::T* u, F::T* values,        \
                                            F::T* slopes, F::T* below, F::T* value, F::T* slope) {                   \
        Straight<F>{stack, N, x, u, values, slopes, below}.forth(value, slope);                                      \
    }                                                                                                                \
    extern "C" void straight_back_##SUFFIX(const Stack<F>& stack, int64_t N, F::T* x, F::T* u, F::T* values,         \
                                           F::T* slopes, F::T* below, const F::T* of_value, const F::T* of_slope,    \
                                           F::T* const* of_weights, F::T* const* of_biases, F::T* room) {            \
        Straight<F>{stack, N, x, u, values, slopes, below}.back(of_value, of_slope, of_weights, of_biases, room);    \
    }                                                                                                                \
    extern "C" void normalised_##SUFFIX(const Stack<F>& stack, const Norms<F>& norms, int64_t N, const F::T* x,      \
                                        F::T* room, F::T* out) {                                                     \
        normalised(stack, norms, N, x, room, out);                                                                   \
    }                                                                                                                \
    extern "C" void posterior_##SUFFIX(const Stack<F>& stack, const Norms<F>& norms, int64_t N, int64_t S,           \
                                       const F::T* h, const F::T* noise, const F::T* eta, const F::T* x,             \
                                       double precision, F::T* room, F::T* found) {                                  \
        Products<F> products(stack, room);                                                                           \
        posterior(stack, norms, N, S, h, noise, eta, x, precision, products, found);                                 \
    }                                                                                                                \
    extern "C" void watched_forth_##SUFFIX(const Stack<F>& stack, const Norms<F>* norms, int64_t N,                  \
                                           F::T* sums, F::T* outputs, F::T* means,                                   \
                                           F::T* scales, const F::T* x, F::T* logits) {                              \
        Watched<F>{stack, norms, N, sums, outputs, means, scales}.forth(x, logits);                                  \
    }                                                                                                                \
    extern "C" void watched_back_##SUFFIX(const Stack<F>& stack, const Norms<F>* norms, int64_t N,                   \
                                          F::T* sums, F::T* outputs, F::T* means,                                    \
                                          F::T* scales, const F::T* x, const F::T* of_logits, F::T* of_x,            \
                                          F::T* const* of_weights, F::T* const* of_biases,                           \
                                          F::T* const* of_factors, F::T* const* of_terms, F::T* room) {              \
        Watched<F>{stack, norms, N, sums, outputs, means, scales}.back(x, of_logits, of_x, of_weights, of_biases,    \
                                                                       of_factors, of_terms, room);                  \
    }                                                                                                                \
    extern "C" void silu_##SUFFIX(int64_t n, const F::T* z, F::T* value, F::T* first, F::T* second, F::T* third) {   \
        Streams<F>::silu(n, z, value, first, second, third);                                                         \
    }                                                                                                                \
    extern "C" void advance_##SUFFIX(int64_t n, const F::T* z, const F::T* first, const F::T* second,                \
                                     const F::T* third, const F::T* above, F::T* out, F::T* bend, F::T* twice,       \
                                     F::T* push) {                                                                   \
        Streams<F>::advance(n, z, first, second, third, above, out, bend, twice, push);                              \
    }                                                                                                                \
    extern "C" void retreat_##SUFFIX(int64_t N, int64_t J, const F::T* above, const F::T* first,                     \
                                     const F::T* bend, const F::T* twice, const F::T* push, const F::T* below,       \
                                     const F::T* of_second, F::T* g) {                                               \
        Streams<F>::retreat(N, J, above, first, bend, twice, push, below, of_second, g);                             \
    }

NAMED(Float32, float32)
NAMED(Float64, float64)

#ifdef TILES
// The same with products in bfloat16.
extern "C" void half_posterior_float32(const Stack<Float32>& stack, const Norms<Float32>& norms, int64_t N, int64_t S,
                                       const float* h, const float* noise, const float* eta, const float* x,
                                       double precision, float* room, float* found) {
    HalfProducts products(stack, room);
    posterior(stack, norms, N, S, h, noise, eta, x, precision, products, found);
}
#endif

// Whether there is one, and the system lets it.
extern "C" int64_t multiplies_in_tiles() {
#ifdef TILES
    return tiles_are_lent();
#else
    return 0;
#endif
}
