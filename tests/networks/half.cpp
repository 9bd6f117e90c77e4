// One product of passes/half.h at a time, for test_half.py, which says how wide vectors are and whether there are tiles.

#include "../../src/ebmood/networks/passes/half.h"

extern "C" int64_t rows() { return Stack<Float32>::ROWS; }
extern "C" int64_t more() { return HalfProducts::MORE; }

// x (rows, K) by weights (J, K): out (rows, J)
extern "C" void product(int64_t K, int64_t J, const float* weights, const float* x, float* out) {
    const int64_t widths[] = {K, J}, N = rows();
    const float *all[] = {weights}, *none[] = {nullptr};
    const Stack<Float32> stack{1, widths, all, none, {0, 0}};
    std::vector<Floats> in(2 * K), found(2 * (J + HalfProducts::MORE));
    stack.load(x, 0, N, K, in.data());
    HalfProducts(stack).forth(0, in.data(), found.data());
    stack.store(found.data(), 0, N, J, out);
}
