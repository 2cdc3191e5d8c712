//! What happens to processes while orders go through.

use std::sync::Arc;
use std::time::Duration;

use streams::simulation::{Damage, Outsider, World};

use super::Plan;
use super::fleet::Fleet;

/// Something that happens to an instance.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Crash(Damage),
    /// Between Kafka's commit and the store's batch.
    CrashAtCommit(Damage),
    Stop,
    Pause,
    CutOff,
    ClockJump,
    /// Kafka is away for all.
    Outage,
    /// Kafka's cleaner goes through all compacted topics.
    Compaction,
}

/// Lets so many things happen as the plan says, often one within the other. How many.
pub(super) fn rage(world: &World, plan: &Plan, fleet: &Arc<Fleet>) -> usize {
    let mut others = Vec::new();
    for number in 1..plan.furies {
        let (plan, fleet) = (plan.clone(), fleet.clone());
        others.push(world.spawn(&format!("fury {number}"), move |world| rage_alone(world, &plan, &fleet)));
    }
    rage_alone(world, plan, fleet);
    others.into_iter().for_each(Outsider::join);
    plan.faults * plan.furies
}

fn rage_alone(world: &World, plan: &Plan, fleet: &Fleet) {
    for _ in 0..plan.faults {
        pause(world, 2500);
        let names = fleet.names();
        let (fault, victim, duration) = world.random(|random| {
            let damage = match random.u32(..10) {
                0..4 => Damage::None,
                4..7 => Damage::LostWrites,
                7..9 => Damage::LostStores,
                _ => Damage::LostDisk,
            };
            let fault = match random.u32(..28) {
                0..5 => Fault::Crash(damage),
                5..10 => Fault::CrashAtCommit(damage),
                10..14 => Fault::Stop,
                14..19 => Fault::Pause,
                19..22 => Fault::CutOff,
                22..26 => Fault::Compaction,
                26 if plan.clocks_jump => Fault::ClockJump,
                _ => Fault::Outage,
            };
            // Half of them are over before a session is, half take longer.
            let longest = if random.bool() { 3000 } else { 14_000 };
            (fault, names[random.usize(..names.len())].clone(), random.u64(..longest))
        });
        strike(world, fleet, fault, &victim, Duration::from_millis(duration));
    }
}

/// How long a commit is waited for that is to be the last.
const PATIENCE: Duration = Duration::from_secs(3);

fn strike(world: &World, fleet: &Fleet, fault: Fault, victim: &str, duration: Duration) {
    match fault {
        Fault::CrashAtCommit(damage) => {
            let Some(process) = fleet.process(victim) else { return };
            process.crash_at_next_commit();
            let deadline = world.now() + PATIENCE;
            while !process.has_crashed() && world.now() < deadline {
                world.sleep(Duration::from_millis(50));
            }
            fleet.crash(victim, damage);
            world.sleep(duration);
            fleet.start(world, victim);
        }
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
        Fault::Compaction => {
            world.kafka().compact_all();
            // What it saw may go at its next time, so often as it will.
            world.sleep(duration / 4);
            world.kafka().compact_all();
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
