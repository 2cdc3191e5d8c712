//! What a seed decides beforehand.

use std::time::Duration;

use streams::simulation::{Weather, World};

/// The size of a world and how rough it is.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The partitions of every topic.
    pub partitions: i32,
    /// The instances of each service.
    pub instances: usize,
    /// The threads of each instance.
    pub threads: usize,
    /// How many customers order at once.
    pub customers: usize,
    /// How many orders each of them makes.
    pub orders: usize,
    /// How many products there are.
    pub products: usize,
    /// The aggregator's deadline.
    pub deadline: Duration,
    /// How many things happen to processes.
    pub faults: usize,
    /// Whether clocks are set forward and back.
    pub clocks_jump: bool,
    /// How many records are poison.
    pub poison: usize,
    /// How calls go.
    pub weather: Weather,
}

impl Plan {
    /// As the world's seed says.
    pub fn draw(world: &World) -> Self {
        world.random(|random| {
            let is_calm = random.u32(..10) == 0;
            let mut chance = |most: u32| if is_calm || random.bool() { 0 } else { random.u32(..=most) };
            let weather = Weather {
                slow: chance(300),
                lost_requests: chance(120),
                lost_answers: chance(120),
                late_ends: chance(300),
                failing_writes: chance(60),
                ..Weather::default()
            };
            let weather = Weather {
                latency: Duration::from_millis(random.u64(1..8)),
                slow_latency: Duration::from_millis(random.u64(10..7000)),
                ..weather
            };
            Self {
                partitions: random.i32(1..=4),
                instances: random.usize(1..=3),
                threads: random.usize(1..=2),
                customers: random.usize(1..=4),
                orders: random.usize(2..=8),
                products: random.usize(1..=5),
                deadline: Duration::from_secs(random.u64(8..=30)),
                faults: if is_calm { 0 } else { random.usize(1..=8) },
                clocks_jump: random.u32(..8) == 0,
                poison: if random.bool() { 0 } else { random.usize(1..=4) },
                weather,
            }
        })
    }
}
