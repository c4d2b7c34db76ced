// Boost.odeint: a controlled Fehlberg 7(8) stepper, w by Boost.Math's cubic B-spline.
#include <array>
#include <boost/math/interpolators/cardinal_cubic_b_spline.hpp>
#include <boost/numeric/odeint.hpp>
#include <cmath>
#include <cstdio>
#include <vector>

using namespace boost::numeric::odeint;
using state = std::array<double, 2>;

constexpr int nq = 100, na = 100, knots = 4001;

int main()
{
    std::vector<double> values;
    state y = {1, 0};
    auto oscillator = [](const state &x, state &dx, double t) {
        dx[0] = x[1];
        dx[1] = -(1 + 0.3 * std::cos(1.7 * t)) * x[0];
    };
    auto precise = make_controlled<runge_kutta_fehlberg78<state>>(1e-12, 1e-12);
    double step = 20.0 / (knots - 1);
    integrate_const(precise, oscillator, y, 0.0, 20.0 + step / 2, step,
                    [&](const state &x, double) { values.push_back(x[0]); });
    boost::math::interpolators::cardinal_cubic_b_spline<double> w(values.begin(), values.end(), 0.0,
                                                                  step);
    std::FILE *out = std::fopen("rows.txt", "w");
    for (int i = 0; i < nq; i++)
        for (int j = 0; j < na; j++) {
            double q = nq > 1 ? 4.0 * i / (nq - 1) : 0, a = na > 1 ? -2 + 9.0 * j / (na - 1) : -2;
            state z = {1, 0};
            auto hill = [&](const state &x, state &dx, double t) {
                dx[0] = x[1];
                dx[1] = -(a + q * w(t)) * x[0];
            };
            auto stepper = make_controlled<runge_kutta_fehlberg78<state>>(1e-9, 1e-9);
            integrate_adaptive(stepper, hill, z, 0.0, 157 * 0.05, 0.01);
            std::fprintf(out, "%.17g %.17g %.17g\n", q, a, 1 + z[0]);
        }
    return std::fclose(out);
}
