//! The services' own counters, read when somebody asks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::background::Gauge;
use crate::observed::Observed;

/// Counters and gauges of all services of the process, labelled by service.
pub(crate) struct ServiceCollector(pub(crate) Vec<Observed>);

impl fmt::Debug for ServiceCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|service| service.name)).finish()
    }
}

impl Collector for ServiceCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let counters: Vec<_> = self.0.iter().map(|service| (service.name, service.counters())).collect();
        for name in names(&counters) {
            let series =
                counters.iter().filter_map(|(service, counters)| Some((*service, *counters.get(name)?)));
            encode_counter(&mut encoder, name, series)?;
        }
        for (name, help) in PARTITION_GAUGES {
            encode_partition_gauge(&mut encoder, name, help, &self.0)?;
        }
        let gauge =
            |read: fn(&Observed) -> i64| self.0.iter().map(move |service| (service.name, read(service)));
        encode_gauge(
            &mut encoder,
            "streams_ready",
            "Whether all of the service works",
            gauge(|service| service.reasons().is_empty().into()),
        )?;
        encode_gauge(
            &mut encoder,
            "streams_waiters",
            "Requests that wait for a key to change",
            gauge(|service| service.queries.watchers().try_into().unwrap_or(i64::MAX)),
        )?;
        let gauges: Vec<_> = self
            .0
            .iter()
            .flat_map(|service| service.gauges().into_iter().map(|of| (service.name, of)))
            .collect();
        encode_own_gauges(&mut encoder, &gauges)
    }
}

/// Each name once: a metric is described once, whoever counts it.
fn names<'a>(counters: &[(&str, BTreeMap<&'a str, u64>)]) -> BTreeSet<&'a str> {
    counters.iter().flat_map(|(_, counters)| counters.keys().copied()).collect()
}

fn encode_counter(
    encoder: &mut DescriptorEncoder,
    name: &str,
    series: impl Iterator<Item = (&'static str, u64)>,
) -> Result<(), fmt::Error> {
    let (name, help) = (format!("streams_{name}"), name.replace('_', " "));
    let mut metric = encoder.encode_descriptor(&name, &help, None, MetricType::Counter)?;
    for (service, value) in series {
        ConstCounter::new(value).encode(metric.encode_family(&[(LABEL, service)])?)?;
    }
    Ok(())
}

fn encode_gauge(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    series: impl Iterator<Item = (&'static str, i64)>,
) -> Result<(), fmt::Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (service, value) in series {
        ConstGauge::new(value).encode(metric.encode_family(&[(LABEL, service)])?)?;
    }
    Ok(())
}

/// What services tell of their partitions.
const PARTITION_GAUGES: [(&str, &str); 3] = [
    ("held_up_seconds", "For how long an open transaction has held up an input"),
    ("restore_offsets_left", "How many offsets of a changelog are still to be restored"),
    ("restore_seconds_left", "About how long restoring a changelog still takes"),
];

fn encode_partition_gauge(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    services: &[Observed],
) -> Result<(), fmt::Error> {
    let full_name = format!("streams_{name}");
    let mut metric = encoder.encode_descriptor(&full_name, help, None, MetricType::Gauge)?;
    for service in services {
        for (at, value) in service.metrics.gauges().remove(name).unwrap_or_default() {
            let labels = [
                (LABEL, service.name.to_owned()),
                ("topic", at.topic.to_string()),
                ("partition", at.partition.to_string()),
            ];
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// Those that services have beside what all have: each name is described once.
fn encode_own_gauges(
    encoder: &mut DescriptorEncoder,
    gauges: &[(&'static str, Gauge)],
) -> Result<(), fmt::Error> {
    let names: BTreeMap<_, _> = gauges.iter().map(|(_, gauge)| (gauge.name, gauge.help)).collect();
    for (name, help) in names {
        let name_here = format!("streams_{name}");
        let mut metric = encoder.encode_descriptor(&name_here, help, None, MetricType::Gauge)?;
        for (service, gauge) in gauges.iter().filter(|(_, gauge)| gauge.name == name) {
            let (label, value) = &gauge.label;
            let labels = [(LABEL, *service), (*label, value.as_str())];
            ConstGauge::new(gauge.value).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

const LABEL: &str = "application";
