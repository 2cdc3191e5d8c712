//! Whatever the order of arrival, one outcome per attempt, and always the rule's.

use std::collections::{BTreeMap, BTreeSet};

use domain::Check::{FraudCheck, InventoryCheck, OrderDetailsCheck};
use domain::CheckResult::{self, Error, Fail, Pass};
use domain::{Check, Decision, Order, Outcome, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::scene::Scene;
use crate::decision::{Ruling, Verdicts, decide, decide_without_the_rest};
use crate::samples::{created, decided, tried_again, verdict};

#[test]
fn an_order_and_its_three_verdicts_in_any_order() {
    let arrivals = [None, Some(FraudCheck), Some(InventoryCheck), Some(OrderDetailsCheck)];
    let mut found = Vec::new();
    for permutation in permutations(&arrivals) {
        let mut scene = Scene::new();
        for arrival in permutation {
            match arrival {
                None => scene.order(&created("a", 0)),
                Some(check) => scene.judge("a", check, Pass),
            }
        }
        found.push(scene.outcomes());
    }
    assert_eq!(found.len(), 24);
    assert!(matches!(&found[0][..], [outcome] if outcome.decision == Decision::Validated));
    assert!(found.iter().all(|outcomes| *outcomes == found[0]));
}

fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let first_then_rest = |index: usize| {
        let mut rest = items.to_vec();
        let first = rest.remove(index);
        permutations(&rest).into_iter().map(move |rest| [vec![first.clone()], rest].concat())
    };
    (0..items.len()).flat_map(first_then_rest).collect()
}

/// Something that happens to one of three orders, or to all.
#[derive(Debug, Clone)]
enum Event {
    /// The record of its present attempt comes, or comes again.
    Created(usize),
    /// A verdict on its present attempt comes, or comes again.
    Judged(usize, Check),
    /// Its final state comes, if it has an outcome.
    Final(usize),
    /// It is tried again, if it is final.
    TriedAgain(usize),
    /// A verdict on an order comes that nobody ever creates.
    Stray(Check),
    Restarted,
    Waited(u64),
}

fn any_event() -> impl Strategy<Value = Event> {
    let order = || 0..3_usize;
    let check = || select(Check::ALL.to_vec());
    prop_oneof![
        3 => order().prop_map(Event::Created),
        9 => (order(), check()).prop_map(|(order, check)| Event::Judged(order, check)),
        3 => order().prop_map(Event::Final),
        2 => order().prop_map(Event::TriedAgain),
        1 => check().prop_map(Event::Stray),
        1 => Just(Event::Restarted),
        2 => (1..20_000_u64).prop_map(Event::Waited),
    ]
}

/// How each check judges an attempt; one that is none never does.
type Opinions = [Option<CheckResult>; 3];

fn any_opinions() -> impl Strategy<Value = Opinions> {
    let opinion =
        prop_oneof![7 => Just(Some(Pass)), 1 => Just(Some(Fail)), 1 => Just(Some(Error)), 1 => Just(None)];
    [opinion.clone(), opinion.clone(), opinion]
}

/// What should be known of the present attempt of an order.
struct Model {
    order: Order,
    seen: bool,
    verdicts: Verdicts,
    decided_at: Option<i64>,
    /// The checks whose verdicts have come, also after the decision.
    judged: BTreeSet<Check>,
}

impl Model {
    /// A record that comes again is known as long as its order is remembered.
    fn is_forgotten(&self, now: i64) -> bool {
        self.decided_at.is_some_and(|at| self.judged.len() == Check::ALL.len() || now >= at + REMEMBERED)
    }
}

struct Play {
    scene: Scene,
    models: Vec<Model>,
    opinions: Vec<Opinions>,
    started_at: i64,
}

const DEADLINE: i64 = 30_000;
const REMEMBERED: i64 = 10_000;

impl Play {
    fn new(opinions: Vec<Opinions>) -> Self {
        let order = |index: usize| Model {
            order: created(&format!("o-{index}"), 0),
            seen: false,
            verdicts: BTreeMap::new(),
            decided_at: None,
            judged: BTreeSet::new(),
        };
        Self { scene: Scene::new(), models: (0..3).map(order).collect(), opinions, started_at: 0 }
    }

    fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Created(index) => self.create(*index),
            Event::Judged(index, check) => self.judge(*index, *check),
            Event::Final(index) => self.finish(*index),
            Event::TriedAgain(index) => self.try_again(*index),
            Event::Stray(check) => self.scene.judge("stray", *check, Fail),
            Event::Restarted => {
                self.scene.driver.restart();
                self.started_at = self.scene.now();
            }
            Event::Waited(millis) => self.wait(*millis)?,
        }
        self.check_outcomes()
    }

    fn create(&mut self, index: usize) {
        let model = &mut self.models[index];
        if !model.is_forgotten(self.scene.driver.now().as_millis()) {
            model.seen = true;
            self.scene.order(&model.order);
        }
    }

    fn judge(&mut self, index: usize, check: Check) {
        let model = &mut self.models[index];
        let position = Check::ALL.iter().position(|known| *known == check).unwrap();
        let opinions = self.opinions[(index + model.order.attempt as usize) % self.opinions.len()];
        let Some(result) = opinions[position] else { return };
        let verdict =
            Verdict { attempt: model.order.attempt, ..verdict(model.order.id.as_str(), check, result) };
        model.judged.insert(check);
        if model.decided_at.is_none() {
            model.verdicts.insert(check, verdict.validation());
        }
        self.scene.verdict(&verdict);
    }

    fn finish(&mut self, index: usize) {
        let model = &self.models[index];
        if model.decided_at.is_some() {
            self.scene.order(&decided(&model.order, Decision::Failed));
        }
    }

    fn try_again(&mut self, index: usize) {
        self.finish(index);
        let now = self.scene.now();
        let model = &mut self.models[index];
        if model.decided_at.is_some() {
            let order = tried_again(&decided(&model.order, Decision::Failed), now);
            *model = Model {
                order,
                seen: false,
                verdicts: BTreeMap::new(),
                decided_at: None,
                judged: BTreeSet::new(),
            };
        }
    }

    /// Verdicts follow their orders in Kafka, so by the time that `orders` has been read to its end
    /// the order of each verdict has been seen.
    fn wait(&mut self, millis: u64) -> Result<(), TestCaseError> {
        for index in 0..self.models.len() {
            self.create(index);
        }
        self.check_outcomes()?;
        self.scene.wait(millis);
        Ok(())
    }

    /// Every outcome is the rule's, and each attempt that can be decided is, at once.
    fn check_outcomes(&mut self) -> Result<(), TestCaseError> {
        for outcome in self.scene.outcomes() {
            self.check_outcome(&outcome)?;
        }
        for model in &self.models {
            let overdue = model.seen && model.decided_at.is_none() && decide(&model.verdicts).is_some();
            prop_assert!(!overdue, "{} is not decided", model.order.id);
        }
        Ok(())
    }

    fn check_outcome(&mut self, outcome: &Outcome) -> Result<(), TestCaseError> {
        let model = self.models.iter_mut().find(|model| model.order.id == outcome.order_id).unwrap();
        prop_assert_eq!(model.order.attempt, outcome.attempt);
        prop_assert!(model.seen && model.decided_at.is_none(), "{} has another outcome", model.order.id);
        let decided_at = outcome.decided_at.as_millisecond();
        let ruling = decide(&model.verdicts).unwrap_or_else(|| decide_without_the_rest(&model.verdicts));
        if decide(&model.verdicts).is_none() {
            let began = model.order.updated_at.as_millisecond().max(self.started_at);
            prop_assert!(decided_at >= began + DEADLINE, "{} timed out early", model.order.id);
        }
        let Ruling { decision, reasons } = ruling;
        prop_assert_eq!((outcome.decision, &outcome.reasons), (decision, &reasons));
        prop_assert!(outcome.validations.iter().eq(model.verdicts.values()));
        model.decided_at = Some(decided_at);
        Ok(())
    }

    /// All that is still to come comes, time passes, and nothing remains.
    fn end(mut self) -> Result<(), TestCaseError> {
        for index in 0..self.models.len() {
            self.happen(&Event::Created(index))?;
            for check in Check::ALL {
                self.happen(&Event::Judged(index, check))?;
            }
        }
        self.happen(&Event::Waited(35_000))?;
        for model in &self.models {
            prop_assert!(model.decided_at.is_some(), "{} hangs", model.order.id);
        }
        for index in 0..self.models.len() {
            self.happen(&Event::Final(index))?;
        }
        self.scene.wait(60_000);
        self.scene.check_forgotten();
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_attempt_has_one_outcome_and_it_is_the_rules(
        opinions in vec(any_opinions(), 5),
        events in vec(any_event(), 0..60),
    ) {
        let mut play = Play::new(opinions);
        for event in &events {
            play.happen(event)?;
        }
        play.end()?;
    }
}
