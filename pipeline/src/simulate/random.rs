//! Chance that can be repeated.

use uuid::Uuid;

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): the same numbers
/// for the same seed, on every machine and in every version.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number of 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.next()) * bound as u128;
        // The upper half of a product with `bound` is below it.
        (product >> 64) as usize
    }
}

/// A seed that nobody has asked for.
pub(crate) fn any_seed() -> u64 {
    u64::from(Uuid::new_v4().as_fields().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_algorithm() {
        let mut random = Random::new(1_234_567);
        let numbers = [(); 3].map(|()| random.next());
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn every_number_below_the_bound_comes_and_no_other() {
        for bound in [1, 2, 3, 10] {
            let mut random = Random::new(7);
            let mut seen = vec![0; bound];
            (0..1000).for_each(|_| seen[random.below(bound)] += 1);
            assert!(seen.iter().all(|count| *count > 1000 / bound / 2), "{bound}: {seen:?}");
        }
        assert_eq!(Random::new(7).below(0), 0);
    }
}
