//! What happens to processes while orders go through.

use std::time::Duration;

use streams::simulation::{Damage, World};

use super::Plan;
use super::fleet::Fleet;

/// Something that happens to an instance.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Crash(Damage),
    Stop,
    Pause,
    CutOff,
    ClockJump,
    /// Kafka is away for all.
    Outage,
}

/// Lets so many things happen as the plan says, one after the other, and often one within the other. How many.
pub(super) fn rage(world: &World, plan: &Plan, fleet: &Fleet) -> usize {
    for _ in 0..plan.faults {
        pause(world, 2500);
        let names = fleet.names();
        let (fault, victim, duration) = world.random(|random| {
            let fault = match random.u32(..22) {
                0..3 => Fault::Crash(Damage::None),
                3..6 => Fault::Crash(Damage::LostWrites),
                6..8 => Fault::Crash(Damage::LostStores),
                8 => Fault::Crash(Damage::LostDisk),
                9..12 => Fault::Stop,
                12..17 => Fault::Pause,
                17..20 => Fault::CutOff,
                20 if plan.clocks_jump => Fault::ClockJump,
                _ => Fault::Outage,
            };
            // Half of them are over before a session is, half take longer.
            let longest = if random.bool() { 3000 } else { 14_000 };
            (fault, names[random.usize(..names.len())].clone(), random.u64(..longest))
        });
        strike(world, fleet, fault, &victim, Duration::from_millis(duration));
    }
    plan.faults
}

fn strike(world: &World, fleet: &Fleet, fault: Fault, victim: &str, duration: Duration) {
    // What it began may go on when the next thing happens, so each ends by itself.
    match fault {
        Fault::Crash(damage) => {
            fleet.crash(victim, damage);
            world.sleep(duration);
            fleet.start(world, victim);
        }
        Fault::Stop => {
            fleet.stop(victim);
            world.sleep(duration);
            fleet.start(world, victim);
        }
        Fault::Pause => {
            let Some(process) = fleet.process(victim) else { return };
            process.pause();
            world.sleep(duration);
            process.resume();
        }
        Fault::CutOff => {
            let Some(process) = fleet.process(victim) else { return };
            process.cut_off();
            world.sleep(duration);
            process.reconnect();
        }
        Fault::ClockJump => {
            let Some(process) = fleet.process(victim) else { return };
            process.set_clock(world.random(|random| random.i64(-20_000..20_000)));
        }
        Fault::Outage => {
            let processes: Vec<_> = fleet.names().iter().filter_map(|name| fleet.process(name)).collect();
            processes.iter().for_each(|process| process.cut_off());
            world.sleep(duration);
            processes.iter().for_each(|process| process.reconnect());
        }
    }
}

fn pause(world: &World, most_ms: u64) {
    let millis = world.random(|random| random.u64(..most_ms));
    world.sleep(Duration::from_millis(millis));
}
