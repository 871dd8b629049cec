//! How well the labels are met.

use super::Sample;
use atoll_redact::{Classes, places};

/// What a find may hold beside its secret before it counts as wrong.
const BESIDE_BYTES_MAX: usize = 48;

#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Secrets in the corpus, and those of which no byte was left.
    pub planted: usize,
    pub covered: usize,
    /// Places that were taken out, and those that were a secret.
    pub finds: usize,
    pub right: usize,
}

impl Score {
    pub fn recall(&self) -> f64 {
        self.covered as f64 / self.planted.max(1) as f64
    }

    pub fn precision(&self) -> f64 {
        self.right as f64 / self.finds.max(1) as f64
    }
}

/// The score over some samples; `missed` and `wrong` are told each miss.
pub fn score<'a>(
    samples: impl Iterator<Item = &'a Sample>,
    classes: Classes,
    mut missed: impl FnMut(&Sample, &str, &str),
    mut wrong: impl FnMut(&Sample, &str, &str),
) -> Score {
    let mut score = Score::default();
    for sample in samples {
        let found = places(&sample.text, classes);
        for planted in &sample.planted {
            score.planted += 1;
            let mut at = planted.at.start;
            for place in &found {
                if place.at.start <= at && at < place.at.end {
                    at = place.at.end;
                }
            }
            if at >= planted.at.end {
                score.covered += 1;
            } else {
                missed(sample, planted.kind, &sample.text[planted.at.clone()]);
            }
        }
        for place in &found {
            score.finds += 1;
            let is = sample.planted.iter().any(|planted| {
                let meets = planted.at.start < place.at.end && place.at.start < planted.at.end;
                meets && place.at.len() <= planted.at.len() + BESIDE_BYTES_MAX
            });
            if is {
                score.right += 1;
            } else {
                wrong(sample, place.kind, &sample.text[place.at.clone()]);
            }
        }
    }
    score
}
