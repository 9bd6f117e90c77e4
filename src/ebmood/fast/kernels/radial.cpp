// The layers of a radial flow and their gradients, with rows side by side in the lanes of vectors, so that no sum
// crosses lanes. Formulas: models/flows/radial.py. Arrays are dense and row-major: x, z (N, D); log_det (N); centre (L,
// D); alpha, beta (L).

#include <cmath>
#include <cstdint>
#include <vector>

#include "simd.h"

struct Flow {
    typedef NUMBER::T T;
    typedef NUMBER::Vector Vector;
    static constexpr int64_t W = BYTES / sizeof(T);
    static constexpr int64_t FACTORS = 20;  // their product stays within double's range

    int64_t L, D;
    const T *centre, *alpha, *beta;

    // Copies rows n, n + 1, ... of (N, D) into lanes; the last row fills the remaining lanes.
    void load(const T* rows, int64_t n, int64_t N, Vector* z) const {
        for (int64_t w = 0; w < W; w++) {
            const T* row = rows + (n + w < N ? n + w : N - 1) * D;
            for (int64_t d = 0; d < D; d++) z[d][w] = row[d];
        }
    }

    void store(const Vector* z, int64_t n, int64_t N, T* rows) const {
        for (int64_t w = 0; w < W && n + w < N; w++)
            for (int64_t d = 0; d < D; d++) rows[(n + w) * D + d] = z[d][w];
    }

    // Applies one layer and returns r = |z - centre| and h = 1 / (alpha + r) as well.
    void layer(int64_t l, const Vector* z, Vector* out, Vector& r, Vector& h) const {
        const T* c = centre + l * D;
        Vector sum = {};
        for (int64_t d = 0; d < D; d++) sum += (z[d] - c[d]) * (z[d] - c[d]);
        for (int64_t w = 0; w < W; w++) r[w] = std::sqrt(sum[w]);
        h = T(1) / (alpha[l] + r);
        const Vector t = beta[l] * h;
        for (int64_t d = 0; d < D; d++) out[d] = z[d] + t * (z[d] - c[d]);
    }

    // Sums of logarithms are computed as logarithms of products of up to FACTORS factors.
    void forward(int64_t N, const T* x, T* out, T* log_det) const {
        std::vector<Vector> z(D);
        for (int64_t n = 0; n < N; n += W) {
            load(x, n, N, z.data());
            double across[W], along[W], total[W] = {};
            for (int64_t w = 0; w < W; w++) across[w] = along[w] = 1;
            for (int64_t l = 0; l < L; l++) {
                Vector r, h;
                layer(l, z.data(), z.data(), r, h);
                const double a = alpha[l], b = beta[l];
                for (int64_t w = 0; w < W; w++) across[w] *= 1 + b * h[w];
                for (int64_t w = 0; w < W; w++) along[w] *= 1 + a * b * h[w] * h[w];
                if ((l + 1) % FACTORS && l + 1 < L) continue;
                for (int64_t w = 0; w < W; w++) {
                    total[w] += (D - 1) * std::log(across[w]) + std::log(along[w]);
                    across[w] = along[w] = 1;
                }
            }
            store(z.data(), n, N, out);
            for (int64_t w = 0; w < W && n + w < N; w++) log_det[n + w] = T(total[w]);
        }
    }

    // `g...` are derivatives of the loss: those of z and log_det are inputs, that of x is overwritten, those of
    // parameters are added to.
    void backward(int64_t N, const T* x, const T* gz, const T* glog_det, T* gx, T* gcentre, T* galpha, T* gbeta) const {
        std::vector<Vector> states((L + 1) * D), g(D), r(L), h(L), by_centre(L * D), by_alpha(L), by_beta(L);
        for (int64_t n = 0; n < N; n += W) {
            load(x, n, N, states.data());
            load(gz, n, N, g.data());
            Vector g_log_det;
            for (int64_t w = 0; w < W; w++) g_log_det[w] = n + w < N ? glog_det[n + w] : 0;
            for (int64_t w = N - n; w < W; w++)
                for (int64_t d = 0; d < D; d++) g[d][w] = 0;
            for (int64_t l = 0; l < L; l++) layer(l, &states[l * D], &states[(l + 1) * D], r[l], h[l]);
            for (int64_t l = L - 1; l >= 0; l--) {
                const Vector *z = &states[l * D], t = beta[l] * h[l];
                const T* c = centre + l * D;
                Vector along = {};
                for (int64_t d = 0; d < D; d++) along += g[d] * (z[d] - c[d]);
                const Vector inner = g_log_det / (T(1) + alpha[l] * t * h[l]);
                const Vector by_t = along + T(D - 1) * g_log_det / (T(1) + t);
                const Vector by_r = -h[l] * h[l] * (beta[l] * by_t + 2 * alpha[l] * t * inner);
                by_alpha[l] += by_r + t * h[l] * inner;
                by_beta[l] += h[l] * by_t + alpha[l] * h[l] * h[l] * inner;
                Vector radial = by_r / r[l];
                for (int64_t w = 0; w < W; w++)
                    if (r[l][w] == 0) radial[w] = 0;  // as in torch, the gradient of the norm at zero is zero
                for (int64_t d = 0; d < D; d++) {
                    const Vector change = t * g[d] + radial * (z[d] - c[d]);
                    g[d] += change;
                    by_centre[l * D + d] -= change;
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

typedef NUMBER::T T;

extern "C" void forward(int64_t N, int64_t L, int64_t D, const T* x, const T* centre, const T* alpha, const T* beta,
                        T* z, T* log_det) {
    Flow{L, D, centre, alpha, beta}.forward(N, x, z, log_det);
}

extern "C" void backward(int64_t N, int64_t L, int64_t D, const T* x, const T* centre, const T* alpha, const T* beta,
                         const T* gz, const T* glog_det, T* gx, T* gcentre, T* galpha, T* gbeta) {
    Flow{L, D, centre, alpha, beta}.backward(N, x, gz, glog_det, gx, gcentre, galpha, gbeta);
}
