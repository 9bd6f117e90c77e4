// The layers of a radial flow and their gradients: radial.py's loop, a few rows side by side in the lanes of a vector, so
// that no sum runs across lanes and all stays in the nearest caches. Arrays are dense and row-major: x, z (N, D);
// log_det (N); centre (L, D); alpha, beta (L).

#include <cmath>
#include <cstdint>
#include <vector>

#include "../networks/lanes.h"

struct Flow {
    typedef NUMBERS::T T;
    typedef NUMBERS::Lanes Lanes;
    static constexpr int64_t W = BYTES / sizeof(T);
    static constexpr int64_t TOGETHER = 20;  // factors between 1e-15 and 1e15

    int64_t L, D;
    const T *centre, *alpha, *beta;

    // Rows n, n + 1, ... of (N, D) into lanes; the last row fills what is left over.
    void load(const T* rows, int64_t n, int64_t N, Lanes* z) const {
        for (int64_t w = 0; w < W; w++) {
            const T* row = rows + (n + w < N ? n + w : N - 1) * D;
            for (int64_t d = 0; d < D; d++) z[d][w] = row[d];
        }
    }

    void store(const Lanes* z, int64_t n, int64_t N, T* rows) const {
        for (int64_t w = 0; w < W && n + w < N; w++)
            for (int64_t d = 0; d < D; d++) rows[(n + w) * D + d] = z[d][w];
    }

    // One layer: where the points go, and on the way r = |z - centre| and h = 1 / (alpha + r).
    void move(int64_t l, const Lanes* z, Lanes* moved, Lanes& r, Lanes& h) const {
        const T* c = centre + l * D;
        Lanes sum = {};
        for (int64_t d = 0; d < D; d++) sum += (z[d] - c[d]) * (z[d] - c[d]);
        for (int64_t w = 0; w < W; w++) r[w] = std::sqrt(sum[w]);
        h = T(1) / (alpha[l] + r);
        const Lanes t = beta[l] * h;
        for (int64_t d = 0; d < D; d++) moved[d] = z[d] + t * (z[d] - c[d]);
    }

    // A sum of logarithms is the logarithm of a product, which double precision holds for a while.
    void forward(int64_t N, const T* x, T* moved, T* log_det) const {
        std::vector<Lanes> z(D);
        for (int64_t n = 0; n < N; n += W) {
            load(x, n, N, z.data());
            double across[W], along[W], total[W] = {};
            for (int64_t w = 0; w < W; w++) across[w] = along[w] = 1;
            for (int64_t l = 0; l < L; l++) {
                Lanes r, h;
                move(l, z.data(), z.data(), r, h);
                const double a = alpha[l], b = beta[l];
                for (int64_t w = 0; w < W; w++) across[w] *= 1 + b * h[w];
                for (int64_t w = 0; w < W; w++) along[w] *= 1 + a * b * h[w] * h[w];
                if ((l + 1) % TOGETHER && l + 1 < L) continue;
                for (int64_t w = 0; w < W; w++) {
                    total[w] += (D - 1) * std::log(across[w]) + std::log(along[w]);
                    across[w] = along[w] = 1;
                }
            }
            store(z.data(), n, N, moved);
            for (int64_t w = 0; w < W && n + w < N; w++) log_det[n + w] = T(total[w]);
        }
    }

    // `g...` are the loss's derivatives: by z and log_det they come in, by x they are set, by parameters added to.
    void backward(int64_t N, const T* x, const T* gz, const T* glog_det, T* gx, T* gcentre, T* galpha, T* gbeta) const {
        std::vector<Lanes> path((L + 1) * D), g(D), r(L), h(L), by_centre(L * D), by_alpha(L), by_beta(L);
        for (int64_t n = 0; n < N; n += W) {
            load(x, n, N, path.data());
            load(gz, n, N, g.data());
            Lanes volume;
            for (int64_t w = 0; w < W; w++) volume[w] = n + w < N ? glog_det[n + w] : 0;
            for (int64_t w = N - n; w < W; w++)
                for (int64_t d = 0; d < D; d++) g[d][w] = 0;
            for (int64_t l = 0; l < L; l++) move(l, &path[l * D], &path[(l + 1) * D], r[l], h[l]);
            for (int64_t l = L - 1; l >= 0; l--) {
                const Lanes *z = &path[l * D], t = beta[l] * h[l];
                const T* c = centre + l * D;
                Lanes along = {};
                for (int64_t d = 0; d < D; d++) along += g[d] * (z[d] - c[d]);
                const Lanes inner = volume / (T(1) + alpha[l] * t * h[l]);
                const Lanes by_t = along + T(D - 1) * volume / (T(1) + t);
                const Lanes by_r = -h[l] * h[l] * (beta[l] * by_t + 2 * alpha[l] * t * inner);
                by_alpha[l] += by_r + t * h[l] * inner;
                by_beta[l] += h[l] * by_t + alpha[l] * h[l] * h[l] * inner;
                Lanes radial = by_r / r[l];
                for (int64_t w = 0; w < W; w++)
                    if (r[l][w] == 0) radial[w] = 0;  // as torch has it: the norm's gradient at zero is zero
                for (int64_t d = 0; d < D; d++) {
                    const Lanes step = t * g[d] + radial * (z[d] - c[d]);
                    g[d] += step;
                    by_centre[l * D + d] -= step;
                }
            }
            store(g.data(), n, N, gx);
        }
        for (int64_t l = 0; l < L; l++)
            for (int64_t w = 0; w < W; w++) {
                galpha[l] += by_alpha[l][w];
                gbeta[l] += by_beta[l][w];
                for (int64_t d = 0; d < D; d++) gcentre[l * D + d] += by_centre[l * D + d][w];
            }
    }
};

typedef NUMBERS::T T;

extern "C" void forward(int64_t N, int64_t L, int64_t D, const T* x, const T* centre, const T* alpha, const T* beta,
                        T* z, T* log_det) {
    Flow{L, D, centre, alpha, beta}.forward(N, x, z, log_det);
}

extern "C" void backward(int64_t N, int64_t L, int64_t D, const T* x, const T* centre, const T* alpha, const T* beta,
                         const T* gz, const T* glog_det, T* gx, T* gcentre, T* galpha, T* gbeta) {
    Flow{L, D, centre, alpha, beta}.backward(N, x, gz, glog_det, gx, gcentre, galpha, gbeta);
}
