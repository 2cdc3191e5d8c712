//! What a failure of SMTP means. The whole policy stands in [`Symptom::judge`].

use std::error::Error as _;

use lettre::transport::smtp::Error;

use super::DeliveryError;

/// What was seen of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Symptom {
    /// The server answered with a code of 400 or more.
    Reply { code: u16, text: String },
    /// Our side would not go on: no STARTTLS, no authentication in common, an address that needs SMTPUTF8.
    Declined(String),
    /// No trust between the two.
    Tls(String),
    /// The connection or the dialogue broke, or took too long.
    Broken(String),
}

impl Symptom {
    pub(super) fn of(error: &Error) -> Self {
        let text = error.to_string();
        match error.status() {
            Some(code) => {
                Self::Reply { code: code.into(), text: error.source().map_or(text, ToString::to_string) }
            }
            None if error.is_client() => Self::Declined(text),
            None if error.is_tls() => Self::Tls(text),
            None => Self::Broken(text),
        }
    }

    /// Whether it matters to [`Symptom::judge`] if the server takes mail at all.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.judge(true) != self.judge(false)
    }

    /// What is to be done. `in_order` says whether greeting, TLS and authentication work: SMTP uses the same
    /// codes for "not you" and for "not this mail".
    ///
    /// | symptom | meaning |
    /// |---|---|
    /// | 4yz, or a broken connection or dialogue, or a timeout; all in order | deferred: the mail or its recipient, for now |
    /// | the same, not in order | temporary: the server is away, or takes no mail |
    /// | 530, 534, 535, 538 | misconfigured: authentication (RFC 4954) |
    /// | 500, 502, 503, 504 | misconfigured: the server does not know a command, or wants another one before |
    /// | 5yz with x.1.7 or x.1.8 | misconfigured: our own address is refused (RFC 3463) |
    /// | any other 5yz, all in order | refused: the mail or its recipient |
    /// | any other 5yz, not in order | misconfigured: the server wants nothing to do with us |
    /// | declined, all in order | refused: the mail needs what the server cannot do |
    /// | declined, not in order | misconfigured: STARTTLS or authentication as asked for is not to be had |
    /// | TLS | misconfigured: name or certificate |
    pub(super) fn judge(&self, in_order: bool) -> DeliveryError {
        use DeliveryError::{Deferred, Misconfigured, Refused, Temporary};
        match self {
            Self::Reply { code, text } => {
                let reply = format!("{code} {text}");
                match code {
                    ..500 if in_order => Deferred(reply),
                    ..500 => Temporary(reply),
                    500 | 502..=504 | 530 | 534 | 535 | 538 => Misconfigured(reply),
                    _ if names_our_address(text) || !in_order => Misconfigured(reply),
                    _ => Refused(reply),
                }
            }
            Self::Declined(text) if in_order => Refused(text.clone()),
            Self::Declined(text) | Self::Tls(text) => Misconfigured(text.clone()),
            Self::Broken(text) if in_order => Deferred(text.clone()),
            Self::Broken(text) => Temporary(text.clone()),
        }
    }
}

/// Enhanced status codes (RFC 3463) for a bad sender's address, at the beginning of the text.
fn names_our_address(text: &str) -> bool {
    matches!(text.split_whitespace().next(), Some("5.1.7" | "5.1.8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Kind {
        Temporary,
        Deferred,
        Misconfigured,
        Refused,
    }
    use Kind::{Deferred, Misconfigured, Refused, Temporary};

    #[track_caller]
    fn check(symptom: Symptom, in_order: Kind, not_in_order: Kind) {
        let kind = |error| match error {
            DeliveryError::Temporary(_) => Temporary,
            DeliveryError::Deferred(_) => Deferred,
            DeliveryError::Misconfigured(_) => Misconfigured,
            DeliveryError::Refused(_) => Refused,
        };
        assert_eq!(kind(symptom.judge(true)), in_order, "{symptom:?}, all in order");
        assert_eq!(kind(symptom.judge(false)), not_in_order, "{symptom:?}, not in order");
        assert_eq!(symptom.is_ambiguous(), in_order != not_in_order, "{symptom:?}");
    }

    fn reply(code: u16, text: &str) -> Symptom {
        Symptom::Reply { code, text: text.into() }
    }

    #[test]
    fn what_a_failure_means() {
        check(reply(421, "4.3.2 going down"), Deferred, Temporary);
        check(reply(450, "4.2.0 greylisted"), Deferred, Temporary);
        check(reply(454, "4.7.0 temporary authentication failure"), Deferred, Temporary);
        check(reply(500, "what?"), Misconfigured, Misconfigured);
        check(reply(503, "5.5.1 EHLO first"), Misconfigured, Misconfigured);
        check(reply(530, "5.7.0 Authentication required"), Misconfigured, Misconfigured);
        check(reply(535, "5.7.8 Authentication credentials invalid"), Misconfigured, Misconfigured);
        check(reply(501, "5.1.3 Bad recipient address syntax"), Refused, Misconfigured);
        check(reply(550, "5.1.1 No such user"), Refused, Misconfigured);
        check(reply(550, "5.1.8 Sender's domain does not exist"), Misconfigured, Misconfigured);
        check(reply(553, "5.1.7 Sender's address is no address"), Misconfigured, Misconfigured);
        check(reply(550, ""), Refused, Misconfigured);
        check(reply(552, "5.2.2 Mailbox full"), Refused, Misconfigured);
        check(reply(554, "No SMTP service here"), Refused, Misconfigured);
        check(Symptom::Declined("no SMTPUTF8".into()), Refused, Misconfigured);
        check(Symptom::Tls("unknown issuer".into()), Misconfigured, Misconfigured);
        check(Symptom::Broken("connection refused".into()), Deferred, Temporary);
    }
}
