// Functions on MLPs, by the names that mlp_kernels.py calls.

#include "mlp.h"

#include "batch_norm.h"
#include "posterior.h"
#include "simd.h"
#include "value_and_grad.h"

typedef NUMBER F;
typedef F::T T;

extern "C" void mlp_value_and_grad(const MLP<F>& mlp, int64_t N, const T* x, const int64_t* classes, T* logits,
                                   T* gradient) {
    value_and_grad<F>(mlp, N, x, classes, logits, gradient);
}

extern "C" void mlp_entropy_gradient(const MLP<F>& mlp, const BatchNorms<F>& norms, int64_t N, int64_t S, const T* h,
                                     const T* noise, const T* eta, const T* x, double precision, T* scratch,
                                     T* gradient) {
    entropy_gradient<F>(mlp, norms, N, S, h, noise, eta, x, precision, scratch, gradient);
}
