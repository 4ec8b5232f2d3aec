//! Suggestions for mistyped names.

/// Characters of a name that are compared.
const COMPARED_CHARACTERS_MAX: usize = 100;
/// From how many characters on a known name that begins an unknown one is taken for it.
const PREFIX_CHARACTERS_MIN: usize = 4;

/// The name in `known` that `name` probably stands for, without regard to case and punctuation: the one with the fewest
/// changes, at most one per three characters. A known name that `name` starts with counts as one change.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |name: &str| -> Vec<char> {
        name.chars()
            .take(COMPARED_CHARACTERS_MAX)
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    let name = plain(name);
    let distance = |known: &str| {
        let known = plain(known);
        if known.len() >= PREFIX_CHARACTERS_MIN && name.starts_with(&known) { 1 } else { distance(&name, &known) }
    };
    let distances = known.into_iter().map(|known| (distance(known), known));
    let (changes, nearest) = distances.min_by_key(|(changes, _)| *changes)?;
    (changes <= name.len().div_ceil(3)).then_some(nearest)
}

/// The number of characters to add, remove or replace.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["displayLimit", "queueLimit", "retention"];
        for (name, suggested) in [
            ("display_limit", Some("displayLimit")),
            ("DisplayLimits", Some("displayLimit")),
            ("retenton", Some("retention")),
            ("x", None),
            ("", None),
            ("tlsCert", None),
            ("retentionOfOutcomes", Some("retention")),
        ] {
            assert_eq!(nearest(name, known), suggested, "{name}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
