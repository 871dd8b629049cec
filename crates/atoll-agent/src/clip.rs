//! Long text, cut to head and tail with what is hidden counted.

/// At most `lines_max` lines and about `limit_bytes` bytes of `text`: a third from its head, the rest
/// from its tail, where failures tend to be said. What is left out is counted in between.
pub(crate) fn clip(text: &str, lines_max: usize, limit_bytes: usize) -> String {
    let text = text.trim_end();
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= lines_max && text.len() <= limit_bytes {
        return text.to_owned();
    }
    let (head_lines, head_bytes) = (lines_max.div_ceil(3), limit_bytes / 3);
    let head = take(lines.iter(), head_lines, head_bytes);
    let rest = &lines[head.min(lines.len())..];
    let tail = take(
        rest.iter().rev(),
        lines_max.saturating_sub(head_lines),
        limit_bytes.saturating_sub(head_bytes),
    );
    let hidden = rest.len() - tail;
    if hidden == 0 || head + tail == 0 {
        return cut_bytes(text, limit_bytes);
    }
    let mut out = lines[..head].join("\n");
    if head > 0 {
        out.push('\n');
    }
    let plural = if hidden == 1 { "" } else { "s" };
    out.push_str(&format!("[… {hidden} line{plural} left out …]"));
    for line in &rest[rest.len() - tail..] {
        out.push('\n');
        out.push_str(line);
    }
    out
}

/// How many of `lines` fit.
fn take<'a>(
    lines: impl Iterator<Item = &'a &'a str>,
    lines_max: usize,
    limit_bytes: usize,
) -> usize {
    let (mut count, mut bytes) = (0, 0);
    for line in lines.take(lines_max) {
        bytes += line.len() + 1;
        if bytes > limit_bytes {
            break;
        }
        count += 1;
    }
    count
}

/// Head and tail by bytes alone, for text of few, very long lines.
pub(crate) fn cut_bytes(text: &str, limit_bytes: usize) -> String {
    if text.len() <= limit_bytes {
        return text.to_owned();
    }
    let head = floor(text, limit_bytes / 3);
    let tail = ceil(text, text.len() - (limit_bytes - limit_bytes / 3));
    format!(
        "{}[… {} bytes left out …]{}",
        &text[..head],
        tail - head,
        &text[tail..]
    )
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn head_and_tail_stay_and_the_rest_is_counted() {
        let text = (1..=100)
            .map(|i| i.to_string())
            .collect::<Vec<_>>()
            .join("\n");
        let cut = clip(&text, 9, 10_000);
        assert_eq!(
            cut,
            "1\n2\n3\n[… 91 lines left out …]\n95\n96\n97\n98\n99\n100"
        );
        assert_eq!(clip("a\nb\n", 5, 100), "a\nb");
        assert!(clip(&"x".repeat(5000), 10, 300).contains("4700 bytes left out"));
    }

    proptest! {
        #[test]
        fn it_never_grows_much(text in any::<String>(), lines in 0usize..20, bytes in 0usize..200) {
            let cut = clip(&text, lines, bytes);
            prop_assert!(cut.len() <= bytes + 80);
        }
    }
}
