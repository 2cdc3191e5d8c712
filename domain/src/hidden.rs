//! Characters that nobody sees. With them one text looks like another one, or
//! its parts seem to stand in another order.

use icu_properties::props::{BinaryProperty, DefaultIgnorableCodePoint, VariationSelector};
use icu_properties::{CodePointSetData, CodePointSetDataBorrowed};

/// Whether `c` is a control character, a line break, or one of Unicode's
/// characters of no width or of direction.
pub(crate) fn is_hidden(c: char) -> bool {
    // What surrounds annotations is the only such thing that Unicode has by default shown.
    let is_break_or_annotation = matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}');
    c.is_control() || is_break_or_annotation || has::<DefaultIgnorableCodePoint>(c)
}

/// The same, but for what people's names need: joiners within words of such
/// scripts as Persian and Hindi, and variants of characters beyond ASCII.
pub(crate) fn has_hidden_outside_of_words(text: &str) -> bool {
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let after = characters.peek().copied();
        let is_part_of_word = match c {
            '\u{200c}' | '\u{200d}' => before.is_some_and(is_shown_or_variant) && after.is_some_and(is_shown),
            _ => has::<VariationSelector>(c) && before.is_some_and(is_shown),
        };
        if is_hidden(c) && !is_part_of_word {
            return true;
        }
        before = Some(c);
    }
    false
}

fn is_shown(c: char) -> bool {
    !c.is_ascii() && !is_hidden(c)
}

fn is_shown_or_variant(c: char) -> bool {
    is_shown(c) || has::<VariationSelector>(c)
}

fn has<P: BinaryProperty>(c: char) -> bool {
    const fn set<P: BinaryProperty>() -> CodePointSetDataBorrowed<'static> {
        CodePointSetData::new::<P>()
    }
    set::<P>().contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees() {
        for c in "\0\u{7f}\u{85}\n\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\
                  \u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{fe0f}\u{feff}\u{fffb}\u{e0041}\u{e0100}"
            .chars()
        {
            assert!(is_hidden(c), "{c:?}");
        }
        for c in " aé。😀\u{300}\u{a0}\u{3000}\u{94d}\u{5d0}ー".chars() {
            assert!(!is_hidden(c), "{c:?}");
        }
    }

    #[test]
    fn what_nobody_sees_may_belong_to_a_word() {
        for (name, expected) in [
            ("Ada", false),
            ("علی\u{200c}رضا", false),
            ("क\u{94d}\u{200d}ष", false),
            ("👩\u{200d}💻", false),
            ("👁\u{fe0f}\u{200d}🗨\u{fe0f}", false),
            ("渡邉\u{e0101}", false),
            ("A\u{200d}da", true),
            ("Ada\u{200c}", true),
            ("\u{200d}é", true),
            ("é\u{200d}", true),
            ("é\u{200d}\u{200d}é", true),
            ("Ada\u{fe0f}", true),
            ("é\u{fe0f}\u{fe0f}", true),
            ("é\u{200b}é", true),
            ("é\u{202e}é", true),
        ] {
            assert_eq!(has_hidden_outside_of_words(name), expected, "{name:?}");
        }
    }
}
