//! Means and shares with their 95 % intervals over seeds.
//!
//! Means have Student's interval (Student, "The probable error of a mean", Biometrika 1908), shares
//! Wilson's (Wilson, "Probable inference, the law of succession, and statistical inference", JASA
//! 1927), which stays within 0 and 1 and says something of 0 of n. Only additions,
//! multiplications, divisions and square roots are done, in a fixed order, and IEEE 754 says what each gives: the same on every
//! machine.
use serde::Serialize;

/// Half of the 95 % interval in standard errors, by degrees of freedom from 1: Student's table.
const STUDENT_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];
/// The same for more than 30 and more than 120 degrees of freedom, each rather too wide.
const STUDENT_95_MORE: [f64; 2] = [2.042, 1.980];
/// The same of the normal distribution.
const NORMAL_95: f64 = 1.960;

/// A figure over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean, or the share.
    pub mean: f64,
    /// Lower end of the 95 % interval; `None` where one run says nothing of the spread.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Runs that say something.
    pub runs: u64,
}

impl Estimate {
    /// The mean of values; `None` of none.
    #[must_use]
    pub fn mean(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let count = number(values.len());
        let mean = values.iter().sum::<f64>() / count;
        let half = (values.len() > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
            student(values.len() - 1) * (squares / (count - 1.0) / count).sqrt()
        });
        let runs = values.len() as u64;
        Some(Self {
            mean,
            low: half.map(|half| mean - half),
            high: half.map(|half| mean + half),
            runs,
        })
    }

    /// The share of `all` in which something was so; `None` of none.
    #[must_use]
    pub fn share(so: usize, all: usize) -> Option<Self> {
        if all == 0 {
            return None;
        }
        let (n, z2) = (number(all), NORMAL_95 * NORMAL_95);
        let share = number(so) / n;
        let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half =
            NORMAL_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        let (low, high) = ((middle - half).max(0.0), (middle + half).min(1.0));
        Some(Self { mean: share, low: Some(low), high: Some(high), runs: all as u64 })
    }

    /// Zero is below all of the interval, above all of it, or within.
    #[must_use]
    pub fn sign(&self) -> Sign {
        match (self.low, self.high) {
            (Some(low), _) if low > 0.0 => Sign::More,
            (_, Some(high)) if high < 0.0 => Sign::Less,
            _ => Sign::Open,
        }
    }
}

/// What paired differences show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// They are above zero.
    More,
    /// They are below zero.
    Less,
    /// They may be either.
    Open,
}

fn student(freedom: usize) -> f64 {
    let more = STUDENT_95_MORE[usize::from(freedom > 120)];
    STUDENT_95.get(freedom - 1).copied().unwrap_or(more)
}

/// A count as a number.
fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a sweep has fewer runs than 2^32"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() < 5e-4)
    }

    /// Goal: intervals are those of the books. Method: a sample worked out by hand, and shares whose
    /// Wilson intervals are in every table.
    #[test]
    fn intervals_are_those_of_the_books() {
        let mean = Estimate::mean(&[2.0, 4.0, 6.0]).expect("three values");
        // Standard error 2 / √3, 4.303 of them.
        assert!(close(mean.low, 4.0 - 4.9687) && close(mean.high, 4.0 + 4.9687), "{mean:?}");
        let none = Estimate::share(0, 10).expect("ten runs");
        assert!(close(none.low, 0.0) && close(none.high, 0.2775), "{none:?}");
        let half = Estimate::share(5, 10).expect("ten runs");
        assert!(close(half.low, 0.2366) && close(half.high, 0.7634), "{half:?}");
    }

    /// Goal: nothing is read out of too little. Method: no value, one value, equal values.
    #[test]
    fn one_run_has_no_interval_and_equal_ones_have_none_to_speak_of() {
        assert_eq!(Estimate::mean(&[]), None);
        assert_eq!(Estimate::share(0, 0), None);
        let one = Estimate::mean(&[3.0]).expect("a value");
        assert_eq!((one.low, one.sign()), (None, Sign::Open));
        let equal = Estimate::mean(&[3.0, 3.0]).expect("two values");
        assert_eq!((equal.low, equal.high, equal.sign()), (Some(3.0), Some(3.0), Sign::More));
    }
}
