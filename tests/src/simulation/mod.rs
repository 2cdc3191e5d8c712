//! The whole pipeline in a simulated world: the six services' own topologies on the runtime's own threads, with
//! everything that can go wrong going wrong as a seed says, and the topics checked at the end.

mod chaos;
mod checks;
mod customers;
mod fleet;
mod logs;
mod many;
mod plan;
mod poison;

use std::sync::Arc;
use std::time::Duration;

use streams::simulation::{Failure, SimulationConfig, Success, Weather, World};

pub use self::many::{Progress, play_many, stay_on_core};
pub use self::plan::Plan;

use self::checks::check;
use self::customers::Shop;
use self::fleet::Fleet;
use self::logs::Logs;
use self::poison::Poison;

/// What a run was about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many orders went through.
    pub orders: usize,
    /// How many things went wrong by intention.
    pub faults: usize,
    /// How long it took in virtual time.
    pub took: Duration,
}

/// How long the world has to come to rest when nothing goes wrong any more, in virtual time.
const REST: Duration = Duration::from_secs(180);

/// Plays one seed. It fails when a check does, with the last steps.
pub fn play(seed: u64) -> Result<Success<Report>, Failure> {
    // In every third world tombstones are gone before an instance may be back.
    let delete_retention = Duration::from_secs(if seed.is_multiple_of(3) { 10 } else { 24 * 3600 });
    let heartbeat_interval = Duration::from_secs(1);
    let config = SimulationConfig { heartbeat_interval, delete_retention, ..SimulationConfig::default() };
    World::play(seed, config, scenario)
}

fn scenario(world: &World) -> Report {
    let plan = Plan::draw(world);
    world.note(&format!("{plan:?}"));
    let began = world.now();
    let fleet = Arc::new(Fleet::new(&plan));
    fleet.start_all(world);
    let shop = Shop::open(world, &plan, fleet.clone());
    world.set_weather(plan.weather.clone());
    let poison = Poison::spread(world, &plan);
    world.note("the poison is spread");
    let faults = chaos::rage(world, &plan, &fleet);

    world.set_weather(Weather::fair());
    fleet.mend_all(world);
    world.note("everything is mended");
    let told = shop.close();
    world.note("all orders are accepted");
    let logs = Logs::at_rest(world, &plan, &fleet, &told, &poison, REST);
    check(&logs, &told, &poison, &plan, &fleet);
    fleet.stop_all();
    Report { orders: told.orders.len(), faults, took: world.now().since(began) }
}
