// One product of passes/half.h at a time, for test_half.py, which says whose tiles multiply.

#include "../../src/ebmood/networks/passes/half.h"

extern "C" int64_t rows() { return Stack<Float32>::ROWS; }

// x (rows, K) by weights (J, K): out (rows, J)
extern "C" void product(int64_t K, int64_t J, const float* weights, const float* x, float* out) {
    const int64_t widths[] = {K, J}, N = rows();
    const float *all[] = {weights}, *none[] = {nullptr};
    const Stack<Float32> stack{1, widths, all, none, {0, 0}};
    std::vector<Floats> room(2 * J);
    HalfProducts products(stack, reinterpret_cast<float*>(room.data()));
    stack.load(x, 0, N, K, products.input(0));
    products.ready(0);
    stack.store(products.forth(0, 0), 0, N, J, out);
}
