% Octave: lsode, y and z as one system.
nq = 100;
na = 100;
t = linspace(0, 10, 201);
lsode_options("integration method", "adams");
lsode_options("relative tolerance", 1e-9);
lsode_options("absolute tolerance", 1e-9);
out = fopen("rows.txt", "w");
for q = linspace(0, 4, nq)
  for a = linspace(-2, 7, na)
    hill = @(u, t) [u(2); -(a + q * u(3)) * u(1); u(4); -(1 + 0.3 * cos(1.7 * t)) * u(3)];
    u = lsode(hill, [1; 0; 1; 0], [0, t(158)]);
    fprintf(out, "%.17g %.17g %.17g\n", q, a, 1 + u(2, 1));
  end
end
fclose(out);
