//! What to do next with a call: a pure function of what is known.

use super::directory::{Peer, Whereabouts};

/// What is known of a call and of where its key is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation<'a, 'b> {
    /// Where the key is, as far as is known.
    pub(super) whereabouts: &'a Whereabouts,
    /// Whether that was asked for since the call came, or since it turned out to be wrong.
    pub(super) is_fresh: bool,
    /// Who could not answer when they were asked last.
    pub(super) wrong: Option<&'b Peer>,
    /// Whether another instance has forwarded the call to this one.
    pub(super) is_forwarded: bool,
    /// Whether the call may wait.
    pub(super) has_time: bool,
    /// Whether this instance is about to stop.
    pub(super) is_stopping: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Answer here.
    Answer,
    /// Have another instance answer.
    Forward(&'a Peer),
    /// Ask where the key is.
    Ask,
    /// Wait for something to change.
    Wait,
    /// Say that it cannot be answered now.
    Refuse,
}

pub(super) fn next_step<'a>(situation: Situation<'a, '_>) -> Step<'a> {
    let Situation { whereabouts, is_fresh, wrong, is_forwarded, has_time, is_stopping } = situation;
    match whereabouts {
        Whereabouts::Here => Step::Answer,
        // It will not be here again; who has forwarded it goes on.
        _ if is_forwarded && is_stopping => Step::Refuse,
        Whereabouts::At(peer) if !is_forwarded && wrong != Some(peer) => Step::Forward(peer),
        _ if !is_fresh => Step::Ask,
        // Who has forwarded it has more to try.
        Whereabouts::At(_) | Whereabouts::Nowhere | Whereabouts::Deserted if is_forwarded => Step::Refuse,
        Whereabouts::Deserted if is_stopping => Step::Refuse,
        _ if has_time => Step::Wait,
        _ => Step::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a call, one letter each: fresh, wrong, forwarded, time, stopping.
    #[track_caller]
    fn check(whereabouts: &Whereabouts, told: &str, expected: Step<'_>) {
        let peer = peer("b");
        let is = |letter| told.contains(letter);
        let situation = Situation {
            whereabouts,
            is_fresh: is('f'),
            wrong: is('w').then_some(&peer),
            is_forwarded: is('h'),
            has_time: is('t'),
            is_stopping: is('s'),
        };
        assert_eq!(next_step(situation), expected, "{whereabouts:?} {told:?}");
    }

    fn peer(instance: &str) -> Peer {
        Peer { instance: instance.into(), url: format!("http://{instance}").parse().unwrap() }
    }

    #[test]
    fn what_is_here_is_answered_here() {
        for told in ["", "f", "h", "fh", "t", "s", "fwhts"] {
            check(&Whereabouts::Here, told, Step::Answer);
        }
    }

    #[test]
    fn what_is_elsewhere_is_forwarded_once() {
        let (b, c) = (peer("b"), peer("c"));
        let (at_b, at_c) = (Whereabouts::At(b.clone()), Whereabouts::At(c.clone()));
        for told in ["", "f", "t", "s", "fts"] {
            check(&at_b, told, Step::Forward(&b));
            check(&at_c, told, Step::Forward(&c));
        }
        for told in ["w", "fw", "fwt", "ws"] {
            check(&at_c, told, Step::Forward(&c));
        }
        // It was asked and did not answer.
        check(&at_b, "w", Step::Ask);
        check(&at_b, "wt", Step::Ask);
        check(&at_b, "fwt", Step::Wait);
        check(&at_b, "fw", Step::Refuse);
        // Never a second hop.
        check(&at_b, "h", Step::Ask);
        check(&at_b, "ht", Step::Ask);
        check(&at_b, "fh", Step::Refuse);
        check(&at_b, "fht", Step::Refuse);
    }

    #[test]
    fn what_is_nowhere_is_waited_for_while_there_is_time() {
        for whereabouts in [Whereabouts::Nowhere, Whereabouts::Deserted, Whereabouts::HereNotReady] {
            for told in ["", "t", "h", "ts"] {
                check(&whereabouts, told, Step::Ask);
            }
            check(&whereabouts, "f", Step::Refuse);
            check(&whereabouts, "fh", Step::Refuse);
            check(&whereabouts, "ft", Step::Wait);
        }
        check(&Whereabouts::Nowhere, "fht", Step::Refuse);
        check(&Whereabouts::Deserted, "fht", Step::Refuse);
        // Who has forwarded it was right; but a stop ends that.
        check(&Whereabouts::HereNotReady, "fht", Step::Wait);
        for told in ["hs", "hts", "fhts"] {
            check(&Whereabouts::HereNotReady, told, Step::Refuse);
            check(&Whereabouts::Nowhere, told, Step::Refuse);
            check(&Whereabouts::At(peer("c")), told, Step::Refuse);
        }
        check(&Whereabouts::Nowhere, "fts", Step::Wait);
        check(&Whereabouts::HereNotReady, "fts", Step::Wait);
        check(&Whereabouts::Deserted, "fts", Step::Refuse);
    }
}
