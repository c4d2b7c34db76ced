// Boost.odeint's runge_kutta_fehlberg78, controlled, on a fixed array.  peer_boost TABLE TOLERANCE
// ...
#include "peer.h"

#include <array>
#include <boost/numeric/odeint.hpp>

namespace odeint = boost::numeric::odeint;

static double solve(struct peer *p, const struct peer_row *r, double tolerance, void *)
{
    using state = std::array<double, 2>;
    state z = {1, 0};
    auto derivative = [&](const state &x, state &dx, double t) {
        double w = gsl_spline_eval(p->w, t, p->accel);
        dx[0] = x[1];
        dx[1] = -(r->a + r->q * w) * x[0];
    };
    auto stepper =
        odeint::make_controlled<odeint::runge_kutta_fehlberg78<state>>(tolerance, tolerance);
    odeint::integrate_adaptive(stepper, derivative, z, 0.0, p->last, 1e-2);
    return z[0];
}

int main(int argc, char **argv)
{
    static struct peer peer;
    if (argc < 3) {
        fprintf(stderr, "usage: peer_boost TABLE TOLERANCE ...\n");
        return 2;
    }
    peer_read(&peer, argv[1]);
    return peer_run(&peer, argc - 2, argv + 2, solve, nullptr);
}
