//! Welch's t-test: whether two samples with variances of their own have the same mean.

/// Measured seconds.
#[derive(Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len().max(1) as f64
    }

    /// Of the mean: the sample's variance over its size.
    fn variance_of_mean(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.0.iter().map(|value| (value - mean).powi(2)).sum();
        squares / (self.0.len().max(2) - 1) as f64 / self.0.len().max(1) as f64
    }
}

/// What came of it.
pub struct Found {
    /// How many standard errors the means are apart.
    pub t: f64,
    /// How likely that much or more is when there is no difference.
    pub p: f64,
}

pub fn test(one: &Sample, other: &Sample) -> Found {
    let (a, b) = (one.variance_of_mean(), other.variance_of_mean());
    let t = (one.mean() - other.mean()) / (a + b).sqrt();
    let freedom = |variance: f64, sample: &Sample| variance.powi(2) / (sample.len().max(2) - 1) as f64;
    let degrees = (a + b).powi(2) / (freedom(a, one) + freedom(b, other));
    Found { t, p: two_sided(t, degrees) }
}

/// Both tails of Student's distribution, by the regularized incomplete beta function.
fn two_sided(t: f64, degrees: f64) -> f64 {
    incomplete_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5)
}

/// By its continued fraction, on the side where that converges fast.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if !(0.0..=1.0).contains(&x) {
        return f64::NAN;
    }
    if x == 0.0 || x == 1.0 {
        return x;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    match x < (a + 1.0) / (a + b + 2.0) {
        true => front * fraction(x, a, b) / a,
        false => 1.0 - front * fraction(1.0 - x, b, a) / b,
    }
}

/// Lentz's way of evaluating it.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let held = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / held(1.0 - (a + b) * x / (a + 1.0)));
    let mut sum = d;
    for step in 1..300 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / held(1.0 + term * d);
            c = held(1.0 + term / c);
            change = c * d;
            sum *= change;
        }
        if (change - 1.0).abs() < 1e-12 {
            break;
        }
    }
    sum
}

/// Stirling's series, where it is good; smaller arguments are led there.
fn ln_gamma(x: f64) -> f64 {
    if x < 10.0 {
        return ln_gamma(x + 1.0) - x.ln();
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_students_distribution_come_out() {
        // Tables: t for p of 0.05 and 0.01, both sides.
        for (t, degrees, p) in
            [(12.706, 1.0, 0.05), (2.228, 10.0, 0.05), (2.750, 30.0, 0.01), (1.962, 1000.0, 0.05)]
        {
            assert!((two_sided(t, degrees) - p).abs() < 1e-4, "{t} {degrees}: {}", two_sided(t, degrees));
        }
        assert!((two_sided(0.0, 5.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_difference_is_seen_and_noise_is_not() {
        let sample = |from: f64| Sample((0..500).map(|at| from + f64::from(at * 7 % 100) / 1000.0).collect());
        assert!(test(&sample(1.0), &sample(1.0)).p > 0.99);
        let found = test(&sample(1.0), &sample(1.01));
        assert!(found.p < 0.001 && found.t < 0.0, "{}", found.p);
    }
}
