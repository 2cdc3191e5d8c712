//! Kafka's range assignor: of each topic, the members in the order of their ids get ranges of equal size, the
//! first ones one partition more where it does not divide. So the same partition of all topics goes to one member.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::record::TopicPartition;

/// Which member gets what: `members` by id with the topics they want, `partitions` of each topic.
pub(crate) fn assign(
    members: &BTreeMap<String, Vec<Arc<str>>>,
    partitions: impl Fn(&str) -> usize,
) -> BTreeMap<String, Vec<TopicPartition>> {
    let mut assignment: BTreeMap<String, Vec<TopicPartition>> =
        members.keys().map(|id| (id.clone(), Vec::new())).collect();
    for (topic, wanted_by) in subscribers(members) {
        let count = partitions(&topic);
        let (each, more) = (count / wanted_by.len(), count % wanted_by.len());
        let mut numbers = 0..i32::try_from(count).unwrap_or(i32::MAX);
        for (place, id) in wanted_by.into_iter().enumerate() {
            let share = numbers.by_ref().take(each + usize::from(place < more));
            assignment
                .entry(id.clone())
                .or_default()
                .extend(share.map(|number| TopicPartition::new(topic.clone(), number)));
        }
    }
    assignment
}

fn subscribers(members: &BTreeMap<String, Vec<Arc<str>>>) -> BTreeMap<Arc<str>, Vec<&String>> {
    let mut subscribers: BTreeMap<Arc<str>, Vec<&String>> = BTreeMap::new();
    for (id, topics) in members {
        for topic in topics {
            subscribers.entry(topic.clone()).or_default().push(id);
        }
    }
    subscribers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(members: &[(&str, &[&str])], partitions: usize, expected: &[(&str, &[&str])]) {
        let wanted = |topics: &[&str]| topics.iter().map(|topic| Arc::from(*topic)).collect();
        let members = members.iter().map(|(id, topics)| ((*id).to_string(), wanted(topics))).collect();
        let assigned = assign(&members, |_| partitions);
        let assigned: Vec<(&str, Vec<String>)> = assigned
            .iter()
            .map(|(id, owned)| (id.as_str(), owned.iter().map(ToString::to_string).collect()))
            .collect();
        let expected: Vec<(&str, Vec<String>)> = expected
            .iter()
            .map(|(id, owned)| (*id, owned.iter().map(ToString::to_string).collect()))
            .collect();
        assert_eq!(assigned, expected);
    }

    #[test]
    fn members_get_ranges_of_each_topic() {
        check(&[("a", &["t"])], 2, &[("a", &["t-0", "t-1"])]);
        check(&[("b", &["t"]), ("a", &["t"])], 3, &[("a", &["t-0", "t-1"]), ("b", &["t-2"])]);
        check(
            &[("a", &["s", "t"]), ("b", &["t", "s"])],
            2,
            &[("a", &["s-0", "t-0"]), ("b", &["s-1", "t-1"])],
        );
        check(&[("a", &["t"]), ("b", &["t"])], 1, &[("a", &["t-0"]), ("b", &[])]);
        check(&[("a", &["s"]), ("b", &["t"])], 1, &[("a", &["s-0"]), ("b", &["t-0"])]);
    }
}
