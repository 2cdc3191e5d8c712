//! Addresses that mail can be sent to.

use std::fmt;
use std::str::FromStr;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::hidden::is_hidden;

/// An address that mail can be sent to: `local-part@domain` as RFC 5321 and
/// RFC 6531 have it, at most 254 bytes. Whether somebody is there only mail can
/// tell.
///
/// The local part has no quotation marks, and the domain is a name: mail
/// programs disagree on what `"a@b"@c` means, and an IP address would let
/// anybody send mail into the mail server's own network.
///
/// It is shown as it was written, and sent with its domain in ASCII
/// ([`EmailAddress::domain`]), since that is what all servers take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress {
    text: String,
    local_bytes: usize,
    domain: String,
}

const MAX_BYTES: usize = 254;
const MAX_LOCAL_BYTES: usize = 64;

/// Why a text is not an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidEmailAddress {
    /// Longer than 254 bytes, as it is written or as it would be sent.
    #[error("an email address must have at most {MAX_BYTES} bytes, also with its domain in ASCII")]
    TooLong,
    /// White space, or what nobody sees.
    #[error("an email address must not contain {0:?}, which cannot be seen")]
    Hidden(char),
    /// Not one `@` with something on both sides.
    #[error("an email address must have one @ with something on both sides")]
    At,
    /// More than 64 bytes before the `@`.
    #[error("an email address must have at most {MAX_LOCAL_BYTES} bytes before the @")]
    LocalPartTooLong,
    /// A dot at an end of the local part, or two in a row.
    #[error("before the @ of an email address, a dot must stand between two other characters")]
    Dot,
    /// One of `"(),:;<>[\]` in the local part.
    #[error("an email address must not contain {0:?} before the @")]
    Character(char),
    /// `[127.0.0.1]` and its like, also without brackets.
    #[error("an email address must name a domain, not an IP address")]
    IpAddress,
    /// No name that DNS could know.
    #[error(
        "behind the @ of an email address there must be a domain name, such as example.org: letters, digits and \
         hyphens with dots in between, at most 63 bytes from dot to dot and no hyphen at the ends"
    )]
    Domain,
}

impl EmailAddress {
    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`: ASCII, unless the mailbox itself is not.
    pub fn local_part(&self) -> &str {
        &self.text[..self.local_bytes]
    }

    /// The domain in ASCII, in small letters (UTS 46): `xn--exmple-cua.de` for
    /// `exämple.de`.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;

    fn from_str(text: &str) -> Result<Self, InvalidEmailAddress> {
        use InvalidEmailAddress::{At, Hidden, TooLong};
        if text.len() > MAX_BYTES {
            return Err(TooLong);
        }
        if let Some(c) = text.chars().find(|c| c.is_whitespace() || is_hidden(*c)) {
            return Err(Hidden(c));
        }
        let (local_part, domain) = text.split_once('@').ok_or(At)?;
        if local_part.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(At);
        }
        check_local_part(local_part)?;
        let domain = domain_in_ascii(domain)?;
        if local_part.len() + 1 + domain.len() > MAX_BYTES {
            return Err(TooLong);
        }
        Ok(Self { text: text.to_owned(), local_bytes: local_part.len(), domain })
    }
}

/// A dot-atom (RFC 5321, 4.1.2) with characters beyond ASCII (RFC 6531, 3.3).
fn check_local_part(text: &str) -> Result<(), InvalidEmailAddress> {
    use InvalidEmailAddress::{Character, Dot, LocalPartTooLong};
    if text.len() > MAX_LOCAL_BYTES {
        return Err(LocalPartTooLong);
    }
    if text.split('.').any(str::is_empty) {
        return Err(Dot);
    }
    match text.chars().find(|c| r#""(),:;<>[\]"#.contains(*c)) {
        Some(c) => Err(Character(c)),
        None => Ok(()),
    }
}

fn domain_in_ascii(text: &str) -> Result<String, InvalidEmailAddress> {
    use InvalidEmailAddress::{Domain, IpAddress};
    if text.starts_with('[') {
        return Err(IpAddress);
    }
    let domain = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| Domain)?;
    if ends_in_number(&domain) { Err(IpAddress) } else { Ok(domain.into_owned()) }
}

/// Whether a resolver would read an IPv4 address (the URL Standard's "ends in a
/// number"): no top-level domain is a number.
fn ends_in_number(domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or(domain);
    let is_hexadecimal =
        |text: &str| text.strip_prefix("0x").is_some_and(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
    last.bytes().all(|b| b.is_ascii_digit()) || is_hexadecimal(last)
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use InvalidEmailAddress::{At, Character, Domain, Dot, Hidden, IpAddress, LocalPartTooLong, TooLong};
    use proptest::prelude::*;

    use super::*;

    /// Each text with its address as it is sent, or why it is none.
    #[track_caller]
    fn check(cases: &[(&str, Result<&str, InvalidEmailAddress>)]) {
        for (text, expected) in cases {
            let sent = text.parse().map(|address: EmailAddress| {
                assert_eq!(address.as_str(), *text);
                format!("{}@{}", address.local_part(), address.domain())
            });
            assert_eq!(sent.as_deref().map_err(|error| *error), *expected, "{text:?}");
        }
    }

    #[test]
    fn an_address_is_a_local_part_and_a_domain() {
        check(&[
            ("ada@example.org", Ok("ada@example.org")),
            ("a+b.c@localhost", Ok("a+b.c@localhost")),
            ("o'hara!#$%&*-/=?^_`{|}~@1.example", Ok("o'hara!#$%&*-/=?^_`{|}~@1.example")),
            ("Ada@EXAMPLE.Org", Ok("Ada@example.org")),
            ("ada@r3---sn.example", Ok("ada@r3---sn.example")),
            ("", Err(At)),
            ("ada", Err(At)),
            ("@example.org", Err(At)),
            ("ada@", Err(At)),
            ("a@b@c", Err(At)),
            ("mailto:ada@example.org", Err(Character(':'))),
            ("ada,eve@example.org", Err(Character(','))),
            ("Ada<ada@example.org>", Err(Character('<'))),
            ("<ada@example.org>", Err(Character('<'))),
            ("\"ada\"@example.org", Err(Character('"'))),
            ("a\\b@example.org", Err(Character('\\'))),
            ("ada(x)@example.org", Err(Character('('))),
            ("a;b@example.org", Err(Character(';'))),
            ("[a]@example.org", Err(Character('['))),
        ]);
    }

    #[test]
    fn dots_stand_between_other_characters() {
        check(&[
            ("a..b@example.org", Err(Dot)),
            (".ada@example.org", Err(Dot)),
            ("ada.@example.org", Err(Dot)),
            (".@example.org", Err(Dot)),
            ("ada@example..org", Err(Domain)),
            ("ada@.example.org", Err(Domain)),
            ("ada@example.org.", Err(Domain)),
            ("ada@.", Err(Domain)),
        ]);
    }

    #[test]
    fn a_domain_is_a_name_of_dns() {
        check(&[
            ("ada@-example.org", Err(Domain)),
            ("ada@example-.org", Err(Domain)),
            ("ada@-", Err(Domain)),
            ("ada@example.org:25", Err(Domain)),
            ("ada@example,org", Err(Domain)),
            ("ada@example.org>", Err(Domain)),
            ("ada@exa_mple.org", Err(Domain)),
            ("ada@example.org/x", Err(Domain)),
            ("ada@xn--a.example", Err(Domain)),
            ("ada@::1", Err(Domain)),
            ("ada@[127.0.0.1]", Err(IpAddress)),
            ("ada@[IPv6:::1]", Err(IpAddress)),
            ("ada@[", Err(IpAddress)),
            ("ada@127.0.0.1", Err(IpAddress)),
            ("ada@0x7f000001", Err(IpAddress)),
            ("ada@２１３０７０６４３３", Err(IpAddress)),
        ]);
    }

    #[test]
    fn a_domain_is_sent_in_ascii() {
        check(&[
            ("info@exämple.de", Ok("info@xn--exmple-cua.de")),
            ("info@EXA\u{308}MPLE.de", Ok("info@xn--exmple-cua.de")),
            ("info@xn--exmple-cua.de", Ok("info@xn--exmple-cua.de")),
            ("zoë@bücher.example", Ok("zoë@xn--bcher-kva.example")),
            ("用户@例え。テスト", Ok("用户@xn--r8jz45g.xn--zckzah")),
            ("ada@straße.example", Ok("ada@xn--strae-oqa.example")),
        ]);
    }

    #[test]
    fn nothing_is_hidden_in_an_address() {
        for c in [
            ' ', '\t', '\0', '\r', '\n', '\u{a0}', '\u{ad}', '\u{200b}', '\u{200d}', '\u{202e}', '\u{2066}',
            '\u{feff}',
        ] {
            for text in
                [format!("a{c}b@example.org"), format!("ab@exa{c}mple.org"), format!("{c}ab@example.org")]
            {
                check(&[(&text, Err(Hidden(c)))]);
            }
        }
    }

    #[test]
    fn parts_have_a_greatest_length() {
        let label = "x".repeat(63);
        let address = |local: usize, last: usize| {
            format!("{}@{label}.{label}.{}.org", "a".repeat(local), "x".repeat(last))
        };
        let wide = format!("a@{}.org", "ä".repeat(60));
        check(&[
            (&address(64, 57), Ok(&address(64, 57))),
            (&address(64, 58), Err(TooLong)),
            (&address(65, 1), Err(LocalPartTooLong)),
            (&format!("{}@example.org", "é".repeat(33)), Err(LocalPartTooLong)),
            (&address(1, 64), Err(Domain)),
            (&wide, Err(Domain)),
        ]);
    }

    proptest! {
        /// Nothing that would end an SMTP command or a header gets through, and what is sent is an address again.
        #[test]
        fn any_text_is_an_address_or_an_error(text in "\\PC{0,40}@\\PC{0,40}|[a-z.é<>\"@:\\[\\]-]{0,20}@[a-z0-9.ä-]{1,20}") {
            let Ok(address) = text.parse::<EmailAddress>() else { return Ok(()) };
            let (local_part, domain) = (address.local_part(), address.domain());
            let sent = format!("{local_part}@{domain}");
            prop_assert!(sent.len() <= 254 && !sent.contains(['<', '>', ' ', '\r', '\n', '"', ',', ':', ';']), "{}", sent);
            prop_assert!(domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b)));
            let again: EmailAddress = sent.parse().unwrap();
            prop_assert_eq!((again.local_part(), again.domain()), (local_part, domain));
        }
    }
}
