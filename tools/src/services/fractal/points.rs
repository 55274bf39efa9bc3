//! The arithmetic of fractals. Bit by bit what RSPLIB computes for z² - c, so that elements of both make one picture.

use super::protocol::{Algorithm, Parameter};

/// The square of an absolute value from which on a point is outside.
const OUTSIDE: f64 = 2.0;

/// Computes the points of one picture.
#[derive(Clone, Copy, Debug)]
pub struct Points {
    parameter: Parameter,
    step: (f64, f64),
}

impl Points {
    /// Of the picture with these parameters.
    pub fn new(parameter: Parameter) -> Self {
        let Parameter { from, to, width, height, .. } = parameter;
        let step = ((to.0 - from.0) / f64::from(width), (to.1 - from.1) / f64::from(height));
        Self { parameter, step }
    }

    /// The iterations until a point is outside.
    pub fn compute(&self, x: u32, y: u32) -> u32 {
        let (from, step) = (self.parameter.from, self.step);
        let c = (from.0 + f64::from(x) * step.0, from.1 + f64::from(y) * step.1);
        match self.parameter.algorithm {
            Algorithm::Mandelbrot => self.iterate(c, square),
            Algorithm::MandelbrotN => self.iterate(c, |z| power(z, self.parameter.n)),
            Algorithm::Test(_) => x.wrapping_mul(y) % 256,
        }
    }

    fn iterate(&self, c: (f64, f64), next: impl Fn((f64, f64)) -> (f64, f64)) -> u32 {
        let mut z = (0.0, 0.0);
        for iteration in 0..self.parameter.max_iterations {
            let raised = next(z);
            z = (raised.0 - c.0, raised.1 - c.1);
            if z.0 * z.0 + z.1 * z.1 >= OUTSIDE {
                return iteration;
            }
        }
        self.parameter.max_iterations
    }
}

fn square((real, imaginary): (f64, f64)) -> (f64, f64) {
    (real * real - imaginary * imaginary, real * imaginary + imaginary * real)
}

fn power((real, imaginary): (f64, f64), n: f64) -> (f64, f64) {
    if (real, imaginary) == (0.0, 0.0) {
        return (0.0, 0.0);
    }
    let (length, angle) = (real.hypot(imaginary).powf(n), imaginary.atan2(real) * n);
    (length * angle.cos(), length * angle.sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(algorithm: Algorithm, n: f64) -> Points {
        let (from, to) = ((-1.5, 1.5), (1.5, -1.5));
        Points::new(Parameter { width: 300, height: 300, max_iterations: 100, algorithm, from, to, n })
    }

    #[test]
    fn zero_is_inside_and_the_corner_is_outside_at_once() {
        let points = points(Algorithm::Mandelbrot, 0.0);
        assert_eq!(points.compute(150, 150), 100);
        assert_eq!(points.compute(0, 0), 0);
        // c = 1: -1, 0, -1, 0 and so on. c = -0.5: 0.5, 0.75, 1.06, 1.63.
        assert_eq!(points.compute(250, 150), 100);
        assert_eq!(points.compute(100, 150), 3);
    }

    #[test]
    fn the_power_of_two_is_nearly_the_square() {
        let (square, power) = (points(Algorithm::Mandelbrot, 0.0), points(Algorithm::MandelbrotN, 2.0));
        let all = || (0..300).flat_map(|y| (0..300).map(move |x| (x, y)));
        let different = all().filter(|(x, y)| square.compute(*x, *y) != power.compute(*x, *y)).count();
        assert!(different < 900, "{different} of 90,000 points differ");
    }

    #[test]
    fn numbers_that_are_none_end() {
        for n in [f64::NAN, f64::INFINITY, -1.0] {
            let points = points(Algorithm::MandelbrotN, n);
            assert!(points.compute(10, 10) <= 100);
        }
    }
}
