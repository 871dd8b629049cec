//! What a model's name tells of its size and place, where nothing else does.

/// Below so many millions of parameters a model can't lead itself.
const SMALL_MILLIONS: u64 = 1_000;

/// Whether the name says that it is small: `qwen2.5-coder:0.5b`, `smollm2:135m`.
pub(crate) fn is_small(name: &str) -> bool {
    let words = name.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
    words
        .filter_map(millions)
        .next_back()
        .is_some_and(|n| n < SMALL_MILLIONS)
}

/// `0.5b` is 500, `135m` is 135.
fn millions(word: &str) -> Option<u64> {
    let word = word.to_ascii_lowercase();
    let (digits, unit) = match (word.strip_suffix('b'), word.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1_000),
        (_, Some(digits)) => (digits, 1),
        _ => return None,
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.len() <= 6);
    let (whole, part) = (number(whole)?, number(part.get(..1)?)?);
    Some(whole * unit + part * unit / 10)
}

/// Whether a name of Ollama's says that the model runs on its makers' machines: `gpt-oss:120b-cloud`.
pub(crate) fn is_passed_on(name: &str) -> bool {
    let tag = name.rsplit(':').next().unwrap_or_default();
    tag == "cloud" || tag.ends_with("-cloud")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_size() {
        for small in [
            "qwen2.5-coder:0.5b",
            "smollm2:135m",
            "SmolLM2-360M-Instruct",
            "x/y-0.6B-q8",
        ] {
            assert!(is_small(small), "{small}");
        }
        for large in [
            "qwen2.5-coder:7b",
            "llama3.2:1b",
            "gemma3",
            "",
            "b",
            "1.b",
            "gpt-4o-mini",
            "99999999999b",
        ] {
            assert!(!is_small(large), "{large}");
        }
    }

    #[test]
    fn a_name_tells_that_it_is_passed_on() {
        assert!(is_passed_on("gpt-oss:120b-cloud") && is_passed_on("deepseek:cloud"));
        assert!(!is_passed_on("cloudy:7b") && !is_passed_on("x-cloud:7b"));
    }
}
