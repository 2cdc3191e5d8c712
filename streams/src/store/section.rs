//! A part of a store: the keys of one store among those of others.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Key, encode_key_after};

/// Where the keys of one of a topology's stores stand: under a prefix of their own in what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) name: Arc<str>,
    /// Of what is kept, the index.
    pub(crate) store: usize,
    /// Empty where the section is the whole.
    prefix: Bytes,
}

impl Section {
    /// The keys under `<name>/`.
    pub(crate) fn of(name: &str, store: usize) -> Self {
        Self { name: name.into(), store, prefix: format!("{name}/").into() }
    }

    /// All keys.
    pub(crate) fn whole(name: &str, store: usize) -> Self {
        Self { name: name.into(), store, prefix: Bytes::new() }
    }

    /// What sets the section apart from the others of the same store.
    pub(crate) fn prefix(&self) -> &Bytes {
        &self.prefix
    }

    /// The bytes of a key as it is kept.
    pub(crate) fn encode_key<K: Key>(&self, key: &K) -> Bytes {
        encode_key_after(&self.prefix, key)
    }

    /// A key's bytes as they are kept.
    pub(crate) fn key(&self, key: Bytes) -> Bytes {
        if self.prefix.is_empty() { key } else { [&self.prefix[..], &key].concat().into() }
    }

    /// A kept key as the section knows it, if it is one of its keys.
    pub(crate) fn strip(&self, kept: &Bytes) -> Option<Bytes> {
        kept.starts_with(&self.prefix).then(|| kept.slice(self.prefix.len()..))
    }

    /// Bounds of a range as they are among what is kept.
    pub(crate) fn bounds(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> (Bound<Bytes>, Bound<Bytes>) {
        let kept = |bound: Bound<&[u8]>| bound.map(|key| self.key(Bytes::copy_from_slice(key)));
        let Some((_, name)) = self.prefix.split_last() else { return (kept(from), kept(to)) };
        let from = match from {
            Bound::Unbounded => Bound::Included(self.prefix.clone()),
            bound => kept(bound),
        };
        let to = match to {
            // "0" is the byte after "/".
            Bound::Unbounded => Bound::Excluded([name, b"0"].concat().into()),
            bound => kept(bound),
        };
        (from, to)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeBounds;

    use super::*;

    #[test]
    fn a_section_is_apart_from_those_with_similar_names() {
        let names = ["row", "rows", "rows-1", "rows.", "rows0", "rowt"];
        let sections: Vec<Section> = names.iter().map(|name| Section::of(name, 0)).collect();
        for (at, section) in sections.iter().enumerate() {
            let bounds = section.bounds(Bound::Unbounded, Bound::Unbounded);
            for (other_at, other) in sections.iter().enumerate() {
                for key in ["", "a", "\u{10ffff}"] {
                    let kept = other.key(Bytes::from(key));
                    let is_own = at == other_at;
                    assert_eq!(bounds.contains(&kept), is_own, "{kept:?} in {section:?}");
                    assert_eq!(section.strip(&kept), is_own.then(|| Bytes::from(key)));
                }
            }
        }
    }

    #[test]
    fn bounds_are_kept_within_the_section() {
        let section = Section::of("rows", 0);
        let bounds = section.bounds(Bound::Excluded(b"a"), Bound::Included(b"b"));
        assert_eq!(bounds, (Bound::Excluded("rows/a".into()), Bound::Included("rows/b".into())));
        let whole = Section::whole("orders", 0);
        let bounds = whole.bounds(Bound::Included(b"a"), Bound::Unbounded);
        assert_eq!(bounds, (Bound::Included("a".into()), Bound::Unbounded));
    }
}
