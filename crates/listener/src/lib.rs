//! One door to every port: accept loop, TLS, limits, timeouts, drain, and the guard below hyper.
