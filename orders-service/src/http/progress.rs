//! How far a request was carried out, told by an instance that cannot go on to the one that can.

use domain::Origin;

/// It was written there, and is not to be written again: so the answer is the same as without the move.
pub(super) fn of(written: Origin) -> String {
    format!("{}.{}", written.partition, written.offset)
}

/// Where it was written; nothing that is not of that form.
pub(super) fn parse(text: &str) -> Option<Origin> {
    let (partition, offset) = text.split_once('.')?;
    Some(Origin { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_back() {
        let written = Origin { partition: 3, offset: 70_000_000_000 };
        assert_eq!(parse(&of(written)), Some(written));
        for text in ["", "3", "3.", ".7", "x.7", "3.7.1", "3.x"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
