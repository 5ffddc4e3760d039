//! Which name was meant.

/// The candidate that `wanted` most likely stands for: a slip of the fingers, another spelling, a beginning or the initials.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (likeness(wanted, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.6)
        // The first of equals: candidates come in the order of declaration.
        .fold(None, |best: Option<(f64, &str)>, (likeness, candidate)| match best {
            Some((highest, _)) if highest >= likeness => best,
            _ => Some((likeness, candidate)),
        })
        .map(|(_, candidate)| candidate)
}

fn likeness(wanted: &str, candidate: &str) -> f64 {
    let (wanted, candidate) = (plain(wanted), plain(candidate));
    if wanted.is_empty() {
        return 0.0;
    }
    let initials: String = candidate.split('_').filter_map(|word| word.chars().next()).collect();
    if wanted == candidate {
        1.0
    } else if initials.len() > 1 && wanted == initials {
        0.9
    } else if wanted.len() >= 3 && (candidate.starts_with(&wanted) || wanted.starts_with(&candidate)) {
        0.8
    } else {
        strsim::normalized_damerau_levenshtein(&wanted, &candidate)
    }
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace(['-', ' ', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        let keys = ["kind", "learning_rate", "weight_decay", "betas"];
        for (wanted, meant) in [
            ("learning_rat", Some("learning_rate")),
            ("learning-rate", Some("learning_rate")),
            ("lr", Some("learning_rate")),
            ("wd", Some("weight_decay")),
            ("Kind", Some("kind")),
            ("knid", Some("kind")),
            ("beta", Some("betas")),
            ("momentum", None),
            ("", None),
        ] {
            assert_eq!(nearest(wanted, keys), meant, "{wanted}");
        }
    }
}
