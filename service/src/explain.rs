//! An error in one line, for whoever reads the end of a log.

/// The error with its causes. Some errors tell their cause themselves: nothing is said twice.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |told, cause| {
        if told.contains(&cause) { told } else { format!("{told}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::bind;

    #[test]
    fn no_cause_is_told_twice() {
        let (_listener, address) = bind("127.0.0.1:0").unwrap();
        let in_use = bind(&address.to_string()).unwrap_err();
        let told = explain(&anyhow::Error::from(in_use).context("cannot start"));
        let expected = format!("cannot start: could not listen on {address} for HTTP: ");
        let cause = told.strip_prefix(&expected).unwrap_or_else(|| panic!("{told}"));
        assert!(!cause.is_empty() && !cause.contains(": "), "{told}");
    }
}
