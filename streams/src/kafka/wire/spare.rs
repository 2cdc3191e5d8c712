//! Buffers that are used again. In a backlog some hundred KiB come and go with each request, and for a new buffer the
//! system would have to find and clear as many pages each time.

use bytes::{Bytes, BytesMut};

/// A buffer of this size is kept for whatever comes.
const SMALL: usize = 64 << 10;
/// Of a larger one less than one part in so many
const PARTS: usize = 8;
/// may be needed so many times in a row before it is given up.
const PATIENCE: u32 = 100;

/// Tells for how long a buffer is kept that is needed no more.
#[derive(Debug, Default)]
pub(super) struct Use {
    /// How often in a row it was much too large.
    wasted: u32,
}

impl Use {
    /// Whether a buffer of this capacity is to be taken for so many bytes.
    pub(super) fn is_for(&mut self, needed: usize, capacity: usize) -> bool {
        let is_wasted = capacity > SMALL && needed < capacity / PARTS;
        self.wasted = if is_wasted { self.wasted + 1 } else { 0 };
        if self.wasted > PATIENCE {
            self.wasted = 0;
            return false;
        }
        capacity >= needed
    }
}

/// The buffer that was used last.
#[derive(Debug, Default)]
pub(super) struct Spare {
    last: Bytes,
    uses: Use,
}

impl Spare {
    /// The last one, with whatever stands in it, when it is one for so many bytes and nobody reads it any more.
    pub(super) fn take(&mut self, needed: usize) -> Option<BytesMut> {
        let last = std::mem::take(&mut self.last).try_into_mut().ok()?;
        self.uses.is_for(needed, last.capacity()).then_some(last)
    }

    /// It was not needed.
    pub(super) fn pass(&mut self) {
        if let Some(last) = self.take(0) {
            self.keep(last.freeze());
        }
    }

    /// Others may be reading it.
    pub(super) fn keep(&mut self, used: Bytes) {
        self.last = used;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(capacity: usize, needed: usize, is_taken: bool) {
        let mut used = BytesMut::with_capacity(capacity);
        used.extend_from_slice(b"used");
        let used = used.freeze();
        let place = used.as_ptr();
        let mut spare = Spare::default();
        spare.keep(used);
        let taken = spare.take(needed).map(|taken| taken.as_ptr());
        assert_eq!(taken, is_taken.then_some(place), "{capacity} for {needed}");
    }

    #[test]
    fn a_buffer_is_used_again_when_it_is_large_enough() {
        check(100, 100, true);
        check(100, 101, false);
        check(SMALL * 2, SMALL * 2, true);
        check(SMALL * 2, SMALL * 2 + 1, false);
        check(SMALL * 2, 1, true);
    }

    #[test]
    fn a_large_buffer_is_given_up_when_little_is_needed_for_long() {
        let (large, little, enough) = (SMALL * PARTS, SMALL - 1, SMALL);
        let uses = |capacity: usize, needed: &[usize]| {
            let mut uses = Use::default();
            let given_up = needed.iter().position(|needed| !uses.is_for(*needed, capacity));
            given_up.map(|before| before + 1)
        };
        let patience = PATIENCE as usize;
        assert_eq!(uses(large, &vec![little; patience]), None);
        assert_eq!(uses(large, &vec![little; patience + 1]), Some(patience + 1));
        assert_eq!(uses(SMALL, &vec![1; 2 * patience]), None);
        let mut now_and_then = vec![little; 2 * patience];
        now_and_then[patience] = enough;
        assert_eq!(uses(large, &now_and_then[..=2 * patience - 1]), None);
    }

    #[test]
    fn a_large_buffer_that_is_not_needed_for_long_is_given_up() {
        let mut spare = Spare::default();
        spare.keep(BytesMut::zeroed(SMALL * 2).freeze());
        (0..PATIENCE).for_each(|_| spare.pass());
        assert_eq!(spare.last.len(), SMALL * 2);
        spare.pass();
        assert_eq!(spare.last.len(), 0);
    }

    #[test]
    fn what_is_read_is_not_written_over() {
        let mut spare = Spare::default();
        let whole = Bytes::from(vec![1; 100]);
        let read = whole.slice(10..20);
        spare.keep(whole);
        assert_eq!(spare.take(50), None);
        drop(read);
        assert_eq!(spare.take(50), None, "it was not kept any longer");
    }
}
