//! What is told at the end.

use std::fmt;
use std::time::Duration;

use super::tally::Tally;
use crate::percentiles::Percentiles;

/// A run that has ended, or was ended.
#[derive(Debug)]
pub(crate) struct Report {
    /// How many orders were asked for.
    pub(crate) asked: usize,
    /// What to repeat the run with.
    pub(crate) seed: u64,
    pub(crate) elapsed: Duration,
    pub(crate) tally: Tally,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, seed, elapsed, tally } = self;
        let ended = tally.ended();
        let (seconds, rate) = (elapsed.as_secs_f64(), ended as f64 / elapsed.as_secs_f64().max(f64::EPSILON));
        writeln!(f, "{ended} of {asked} orders in {seconds:.1} s, {rate:.1} orders/s, --seed {seed}")?;
        writeln!(f, "VALIDATED {:>8}", tally.validated)?;
        writeln!(f, "FAILED    {:>8}", tally.failed())?;
        for (code, count) in &tally.failed {
            writeln!(f, "          {count:>8} {code}")?;
        }
        writeln!(f, "errors    {:>8}", tally.errors())?;
        for (what, troubled) in &tally.troubled {
            writeln!(f, "          {:>8} {what}, such as {}", troubled.count, troubled.example)?;
        }
        let latencies = [("accepted", &tally.accepted), ("decided", &tally.decided)];
        let latencies = latencies.map(|(name, durations)| (name, Percentiles::of(durations)));
        if let [(_, Some(_)), _] = latencies {
            writeln!(f, "ms after POST     p50       p90       p99       max")?;
        }
        for (name, percentiles) in latencies {
            if let Some(Percentiles { p50, p90, p99, max }) = percentiles {
                write!(f, "{name:<11}")?;
                [p50, p90, p99, max].iter().try_for_each(|it| write!(f, "{:>10.1}", millis(*it)))?;
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::simulate::journey::{Journey, Trouble};

    fn report(journeys: impl IntoIterator<Item = Result<Journey, Trouble>>) -> Report {
        let mut tally = Tally::default();
        for (number, journey) in journeys.into_iter().enumerate() {
            tally.add(&format!("sim-{number}").parse().unwrap(), journey);
        }
        Report { asked: 6, seed: 7, elapsed: Duration::from_millis(2500), tally }
    }

    fn journey(accepted: u64, decided: u64, failed: Option<&str>) -> Result<Journey, Trouble> {
        Ok(Journey {
            accepted: Duration::from_millis(accepted),
            decided: Duration::from_millis(decided),
            failed: failed.map(str::to_owned),
        })
    }

    #[test]
    fn a_run_is_told_in_numbers() {
        let report = report([
            journey(10, 50, None),
            journey(12, 61, Some("OUT_OF_STOCK")),
            journey(11, 1234, Some("LIMIT_EXCEEDED")),
            Err(Trouble::NotDecided),
            Err(Trouble::NotDecided),
        ]);
        assert_snapshot!(report.to_string(), @r"
        5 of 6 orders in 2.5 s, 2.0 orders/s, --seed 7
        VALIDATED        1
        FAILED           2
                         1 LIMIT_EXCEEDED
                         1 OUT_OF_STOCK
        errors           2
                         2 not decided in time, such as sim-3
        ms after POST     p50       p90       p99       max
        accepted         11.0      12.0      12.0      12.0
        decided          61.0    1234.0    1234.0    1234.0
        ");
    }

    #[test]
    fn a_run_that_decided_nothing_has_no_latencies() {
        assert_snapshot!(report([]).to_string(), @r"
        0 of 6 orders in 2.5 s, 0.0 orders/s, --seed 7
        VALIDATED        0
        FAILED           0
        errors           0
        ");
    }
}
