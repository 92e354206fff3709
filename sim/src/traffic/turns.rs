//! Who comes next: shares and weights as one table of turns.

/// The longest table of turns: shares are scaled down to fit, each kept at one turn at least.
const TURNS_MAX: u64 = 4_096;

/// Smooth weighted round robin, written out once: each turn goes to whoever (a lane, a member) is
/// furthest behind its share.
pub(super) fn turns(lanes: &[(usize, u64)]) -> Vec<u16> {
    let divisor = lanes.iter().fold(0, |divisor, (_, share)| gcd(divisor, *share)).max(1);
    let sum: u64 = lanes.iter().map(|(_, share)| share / divisor).sum();
    let scaled = |share: u64| match sum <= TURNS_MAX {
        true => share / divisor,
        false => (u128::from(share / divisor) * u128::from(TURNS_MAX) / u128::from(sum)) as u64,
    };
    let shares: Vec<i64> =
        lanes.iter().map(|(_, share)| scaled(*share).max(u64::from(*share > 0)) as i64).collect();
    let length: i64 = shares.iter().sum();
    let mut behind = vec![0; lanes.len()];
    (0..length)
        .map(|_| {
            for (behind, share) in behind.iter_mut().zip(&shares) {
                *behind += share;
            }
            let first = (0..lanes.len())
                .max_by_key(|i| (behind[*i], std::cmp::Reverse(*i)))
                .expect("a round has as many turns as shares");
            behind[first] -= length;
            u16::try_from(lanes[first].0).expect("a farm has fewer members than 65,536")
        })
        .collect()
}

/// The least number that both divide; 0 counts as 1.
pub(super) fn lcm(a: u64, b: u64) -> u64 {
    let b = b.max(1);
    a / gcd(a, b) * b
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: lanes get their shares, evenly mixed. Method: count the turns of a 3 : 1 split.
    #[test]
    fn turns_follow_the_shares() {
        assert_eq!(turns(&[(0, 30), (1, 10)]), [0, 0, 1, 0]);
        let many = turns(&[(4, 1_000_000), (9, 1)]);
        assert!(many.len() <= 4_097 && many.contains(&9), "a tiny share is still a share");
    }
}
