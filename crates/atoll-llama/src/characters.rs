//! Tokens are bytes; what is told is characters.

/// Bytes to whole characters: what is cut waits for its rest, what is none becomes `U+FFFD`.
#[derive(Debug, Default)]
pub struct Characters(Vec<u8>);

impl Characters {
    /// Takes bytes; the characters that are whole.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let keep = match std::str::from_utf8(&self.0) {
            Ok(_) => 0,
            // Only what may still become a character waits.
            Err(err) if err.error_len().is_none() => self.0.len() - err.valid_up_to(),
            Err(_) => {
                let tail = self.0.len().saturating_sub(3);
                let cut = (tail..self.0.len()).find(|at| {
                    std::str::from_utf8(&self.0[*at..])
                        .is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
                });
                cut.map_or(0, |at| self.0.len() - at)
            }
        };
        let rest = self.0.split_off(self.0.len() - keep);
        let out = String::from_utf8_lossy(&self.0).into_owned();
        self.0 = rest;
        out
    }

    /// What is left at the end.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn characters_come_whole_however_they_are_cut(text in "\\PC{0,40}", cuts in prop::collection::vec(1usize..5, 0..80)) {
            let mut characters = Characters::default();
            let (mut out, mut at) = (String::new(), 0);
            for cut in cuts {
                let end = (at + cut).min(text.len());
                out.push_str(&characters.push(&text.as_bytes()[at..end]));
                at = end;
            }
            out.push_str(&characters.push(&text.as_bytes()[at..]));
            out.push_str(&characters.finish());
            prop_assert_eq!(out, text);
        }

        #[test]
        fn any_bytes_come_out_as_some_text(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut characters = Characters::default();
            let mut out = String::new();
            for byte in &bytes {
                out.push_str(&characters.push(&[*byte]));
                prop_assert!(characters.0.len() < 4);
            }
            out.push_str(&characters.finish());
            prop_assert_eq!(out.chars().filter(|c| *c != '\u{fffd}').count(),
                String::from_utf8_lossy(&bytes).chars().filter(|c| *c != '\u{fffd}').count());
        }
    }
}
