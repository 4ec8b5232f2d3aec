//! The rules for names, and the characters that must not be in them.

use crate::size::NAME_BYTES_MAX;

/// Checks a text against the rules for names: 1 to [`NAME_BYTES_MAX`] bytes, no hidden characters ([`is_hidden`]).
///
/// # Errors
/// What is wrong, as a clause that follows the field's name ("is empty"). It does not quote the text.
pub fn check_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(too_long(text.len(), NAME_BYTES_MAX));
    }
    match text.chars().find(|character| is_hidden(*character)) {
        None => Ok(()),
        Some(found) => Err(format!("has a hidden character (control or text direction), U+{:04X}", u32::from(found))),
    }
}

pub(crate) fn too_long(bytes: usize, bytes_max: usize) -> String {
    format!("has {bytes} bytes; {bytes_max} are allowed")
}

/// Whether a character is hidden: a control character, a line or paragraph separator, or one that changes the direction of
/// the text around it. With them a name could look like another, and a line of a log like two.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    let formatting = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    formatting || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hidden_character_is_refused_and_every_other_is_allowed() {
        let hidden: Vec<char> = ('\0'..=char::MAX).filter(|character| is_hidden(*character)).collect();
        // 32 + 1 + 32 control characters, 1 + 2 + 7 + 4 others.
        assert_eq!(hidden.len(), 65 + 14);
        for character in hidden {
            assert!(check_name(&format!("a{character}b")).is_err(), "{character:?}");
        }
        for name in ["a", "é", "名", "a b", "\u{200b}", "🛎"] {
            assert_eq!(check_name(name), Ok(()));
        }
    }

    #[test]
    fn a_name_has_1_to_128_bytes() {
        assert_eq!(check_name(&"x".repeat(128)), Ok(()));
        assert_eq!(check_name(""), Err("is empty".to_owned()));
        assert_eq!(check_name(&"x".repeat(129)), Err("has 129 bytes; 128 are allowed".to_owned()));
    }
}
