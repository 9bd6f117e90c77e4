// Passes through a stack of linear layers, by the names that compiled.py calls them by.

#include "../lanes.h"
#include "stack.h"
#include "chains.h"
#include "norms.h"
#include "half.h"
#include "posterior.h"
#include "straight.h"
#include "watched.h"
#include "streams.h"

typedef NUMBERS F;
typedef F::T T;

extern "C" void gradient(const Stack<F>& stack, int64_t N, const T* x, const int64_t* chosen, T* logits, T* out) {
    gradient<F>(stack, N, x, chosen, logits, out);
}

extern "C" void straight_forth(const Stack<F>& stack, int64_t N, T* x, T* u, T* values, T* slopes, T* below, T* value,
                               T* slope) {
    Straight<F>{stack, N, x, u, values, slopes, below}.forth(value, slope);
}

extern "C" void straight_back(const Stack<F>& stack, int64_t N, T* x, T* u, T* values, T* slopes, T* below,
                              const T* of_value, const T* of_slope, T* const* of_weights, T* const* of_biases,
                              T* room) {
    Straight<F>{stack, N, x, u, values, slopes, below}.back(of_value, of_slope, of_weights, of_biases, room);
}

extern "C" void normalised(const Stack<F>& stack, const Norms<F>& norms, int64_t N, const T* x, T* room, T* out) {
    normalised<F>(stack, norms, N, x, room, out);
}

extern "C" void posterior(const Stack<F>& stack, const Norms<F>& norms, int64_t N, int64_t S, const T* h,
                          const T* noise, const T* eta, const T* x, double precision, T* room, T* found) {
    Products<F> products(stack, room);
    posterior(stack, norms, N, S, h, noise, eta, x, precision, products, found);
}

extern "C" void watched_forth(const Stack<F>& stack, const Norms<F>* norms, int64_t N, T* sums, T* outputs, T* means,
                              T* scales, const T* x, T* logits) {
    Watched<F>{stack, norms, N, sums, outputs, means, scales}.forth(x, logits);
}

extern "C" void watched_back(const Stack<F>& stack, const Norms<F>* norms, int64_t N, T* sums, T* outputs, T* means,
                             T* scales, const T* x, const T* of_logits, T* of_x, T* const* of_weights,
                             T* const* of_biases, T* const* of_factors, T* const* of_terms, T* room) {
    Watched<F>{stack, norms, N, sums, outputs, means, scales}.back(x, of_logits, of_x, of_weights, of_biases,
                                                                   of_factors, of_terms, room);
}

extern "C" void silu(int64_t n, const T* z, T* value, T* first, T* second, T* third) {
    Streams<F>::silu(n, z, value, first, second, third);
}

extern "C" void advance(int64_t n, const T* z, const T* first, const T* second, const T* third, const T* above, T* out,
                        T* bend, T* twice, T* push) {
    Streams<F>::advance(n, z, first, second, third, above, out, bend, twice, push);
}

extern "C" void retreat(int64_t N, int64_t J, const T* above, const T* first, const T* bend, const T* twice,
                        const T* push, const T* below, const T* of_second, T* g) {
    Streams<F>::retreat(N, J, above, first, bend, twice, push, below, of_second, g);
}

#ifdef TILES
// The same with products in bfloat16.
extern "C" void half_posterior(const Stack<Float32>& stack, const Norms<Float32>& norms, int64_t N, int64_t S,
                               const float* h, const float* noise, const float* eta, const float* x, double precision,
                               float* room, float* found) {
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
