//! Which conversation a sequence of the cache holds, and how much of the next one is computed already.

/// What the cache holds, sequence by sequence.
#[derive(Debug)]
pub struct Slots<T> {
    slots: Vec<Slot<T>>,
    clock: u64,
}

#[derive(Debug)]
struct Slot<T> {
    tokens: Vec<T>,
    busy: bool,
    used: u64,
}

/// A sequence that was given to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Which sequence.
    pub slot: usize,
    /// So many of the conversation's first tokens are in it; what follows them must be taken away.
    pub kept: usize,
}

impl<T: PartialEq + Copy> Slots<T> {
    /// So many sequences, empty.
    pub fn new(count: usize) -> Slots<T> {
        let slot = || Slot {
            tokens: Vec::new(),
            busy: false,
            used: 0,
        };
        Slots {
            slots: std::iter::repeat_with(slot).take(count.max(1)).collect(),
            clock: 0,
        }
    }

    /// A free sequence for `prompt`: the one that begins most like it, if that is at least half of what the
    /// sequence holds or nothing better is free; else the one least lately used. `None`: all are busy. At least
    /// one token is always left to compute, since the next is chosen from its scores.
    pub fn take(&mut self, prompt: &[T]) -> Option<Given> {
        self.clock += 1;
        let common = |slot: &Slot<T>| {
            let pairs = slot.tokens.iter().zip(prompt);
            pairs.take_while(|(a, b)| a == b).count()
        };
        let free = || self.slots.iter().enumerate().filter(|(_, s)| !s.busy);
        let like = free()
            .map(|(i, s)| (i, common(s), s.tokens.len()))
            .filter(|(_, common, held)| *common > 0 && common * 2 >= *held)
            .max_by_key(|(_, common, _)| *common);
        let slot = match like {
            Some((slot, ..)) => slot,
            None => free().min_by_key(|(_, s)| s.used)?.0,
        };
        let kept = common(&self.slots[slot]).min(prompt.len().saturating_sub(1));
        let clock = self.clock;
        let given = &mut self.slots[slot];
        given.tokens.truncate(kept);
        given.busy = true;
        given.used = clock;
        Some(Given { slot, kept })
    }

    /// What came into a sequence.
    pub fn add(&mut self, slot: usize, tokens: &[T]) {
        self.slots[slot].tokens.extend_from_slice(tokens);
    }

    /// The sequence was emptied.
    pub fn clear(&mut self, slot: usize) {
        self.slots[slot].tokens.clear();
    }

    /// Its conversation goes on some other time.
    pub fn give_back(&mut self, slot: usize) {
        self.slots[slot].busy = false;
    }

    /// How many sequences there are.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// How many tokens a sequence holds.
    pub fn held(&self, slot: usize) -> usize {
        self.slots[slot].tokens.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_next_turn_of_a_conversation_computes_only_what_is_new() {
        let mut slots = Slots::new(2);
        let first = slots.take(&[1, 2, 3]).unwrap();
        assert_eq!(first.kept, 0);
        slots.add(first.slot, &[1, 2, 3, 40, 41]);
        slots.give_back(first.slot);
        let other = slots.take(&[9, 9]).unwrap();
        assert_ne!(other.slot, first.slot, "what was kept isn't thrown away");
        slots.add(other.slot, &[9, 9]);
        let again = slots.take(&[1, 2, 3, 40, 41, 5, 6]).unwrap();
        assert_eq!((again.slot, again.kept), (first.slot, 5));
        assert_eq!(slots.take(&[1]), None, "both are busy");
    }

    #[test]
    fn the_same_prompt_again_leaves_one_token_to_compute() {
        let mut slots = Slots::new(1);
        let given = slots.take(&[1, 2, 3]).unwrap();
        slots.add(given.slot, &[1, 2, 3]);
        slots.give_back(given.slot);
        assert_eq!(slots.take(&[1, 2, 3]).unwrap().kept, 2);
        assert_eq!(slots.held(0), 2);
    }

    #[test]
    fn a_conversation_that_only_shares_its_first_words_takes_another_sequence() {
        let mut slots = Slots::new(2);
        let long: Vec<u32> = (0..100).collect();
        let given = slots.take(&long).unwrap();
        slots.add(given.slot, &long);
        slots.give_back(given.slot);
        let mut stranger = vec![0, 1, 2];
        stranger.extend([500; 50]);
        assert_ne!(slots.take(&stranger).unwrap().slot, given.slot);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_always_a_true_beginning(prompts in prop::collection::vec(prop::collection::vec(0u8..3, 1..12), 1..40)) {
            let mut slots = Slots::new(3);
            let mut shadow = vec![Vec::new(); 3];
            for prompt in prompts {
                let given = slots.take(&prompt).unwrap();
                prop_assert!(given.kept < prompt.len());
                let held: &mut Vec<u8> = &mut shadow[given.slot];
                prop_assert_eq!(&held[..given.kept], &prompt[..given.kept]);
                held.truncate(given.kept);
                held.extend(&prompt[given.kept..]);
                slots.add(given.slot, &prompt[given.kept..]);
                prop_assert_eq!(slots.held(given.slot), prompt.len());
                slots.give_back(given.slot);
            }
        }
    }
}
