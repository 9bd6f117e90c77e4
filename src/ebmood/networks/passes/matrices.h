// Products of row-major matrices of some hundred rows and columns: columns stand in the lanes of vectors, and a panel
// of them lies packed in the first cache while rows go by, six at a time, whose sums stay in registers.

#pragma once

#include <cstdint>
#include <vector>

#include "stack.h"

template <class F>
struct Matrices {
    typedef typename F::T T;
    typedef typename F::Lanes Lanes;
    static constexpr int64_t W = BYTES / sizeof(T), DEEP = 128;

    struct Matrix {
        const T* numbers;
        int64_t down, across;  // from a row to the next, and from a column
    };

    static Matrix rows(const T* numbers, int64_t width) { return {numbers, width, 1}; }
    static Matrix turned(const T* numbers, int64_t width) { return {numbers, 1, width}; }

    std::vector<Lanes> panel = std::vector<Lanes>(2 * DEEP);

    struct AsItIs {
        void operator()(int64_t, int64_t, Lanes&) const {}
    };

    // start, if there is any, in every row, plus (M, K) times (K, N): (M, N), dense. What is whole goes through
    // `finish`, which is told where it will stand and how many of its numbers count.
    template <class Finish = AsItIs>
    void multiply(int64_t M, int64_t N, int64_t K, Matrix a, Matrix b, const T* start, T* c,
                  const Finish& finish = Finish()) {
        for (int64_t k = 0; k < K; k += DEEP) {
            const Matrix deeper = {a.numbers + k * a.across, a.down, a.across};
            const Matrix lower = {b.numbers + k * b.down, b.down, b.across};
            if (k + DEEP < K)
                piece(M, N, DEEP, deeper, lower, start, c, k > 0, AsItIs());
            else
                piece(M, N, K - k, deeper, lower, start, c, k > 0, finish);
        }
    }

  private:
    template <class Finish>
    __attribute__((noinline)) void piece(int64_t M, int64_t N, int64_t K, Matrix a, Matrix b, const T* start, T* c,
                                         bool more, const Finish& finish) {
        for (int64_t n = 0; n < N; n += 2 * W) {
            const int64_t count = std::min(2 * W, N - n), V = count > W ? 2 : 1;
            Lanes first[2], found[12];
            for (int64_t v = 0; v < V; v++)
                first[v] = start && !more ? some<F>(start + n + v * W, count - v * W) : Lanes{};
            pack(K, V, count, b, n);
            for (int64_t m = 0; m < M;) {
                const int64_t R = m + 6 <= M ? 6 : 1;
                const T* from = a.numbers + m * a.down;
                (R == 6 ? V == 2 ? sums<6, 2> : sums<6, 1> : V == 2 ? sums<1, 2> : sums<1, 1>)(
                    from, a.down, a.across, K, panel.data(), first, found);
                for (int64_t i = 0; i < R; i++, m++)
                    for (int64_t v = 0; v < V; v++) {
                        const int64_t at = m * N + n + v * W, left = count - v * W;
                        Lanes sum = found[i * V + v];
                        if (more) sum += some<F>(c + at, left);
                        finish(at, left, sum);
                        put<F>(sum, left, c + at);
                    }
            }
        }
    }

    // V vectors of columns from n on, of which `count` count.
    void pack(int64_t K, int64_t V, int64_t count, Matrix b, int64_t n) {
        if (b.across == 1) {
            for (int64_t k = 0; k < K; k++)
                for (int64_t v = 0; v < V; v++)
                    panel[V * k + v] = some<F>(b.numbers + k * b.down + n + v * W, count - v * W);
        } else {
            T* const to = reinterpret_cast<T*>(panel.data());
            for (int64_t w = 0; w < V * W; w++) {
                const T* from = b.numbers + (n + std::min(w, count - 1)) * b.across;  // what is too much is not kept
                for (int64_t k = 0; k < K; k++) to[k * V * W + w] = from[k * b.down];
            }
        }
    }

    // found[i][v] = first[v] + sum_k from[i * down + k * across] panel[k][v]; by itself, or registers run out.
    template <int R, int V>
    __attribute__((noinline)) static void sums(const T* from, int64_t down, int64_t across, int64_t K,
                                               const Lanes* panel, const Lanes* first, Lanes* found) {
        if (K < 1) __builtin_unreachable();  // or all sums would be saved in case
        Lanes sum[R][V];
        for (int i = 0; i < R; i++)
            for (int v = 0; v < V; v++) sum[i][v] = first[v];
        for (int64_t k = 0; k < K; k++, from += across)
            for (int i = 0; i < R; i++)
                for (int v = 0; v < V; v++) sum[i][v] += from[i * down] * panel[V * k + v];
        for (int i = 0; i < R; i++)
            for (int v = 0; v < V; v++) found[i * V + v] = sum[i][v];
    }
};
