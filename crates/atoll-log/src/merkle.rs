//! The RFC 6962 Merkle tree over event hashes. A leaf's input is the raw 32-byte
//! hash of its event; leaves are counted from 0, so the event with `seq` n is
//! leaf n − 1.

use sha2::{Digest, Sha256};

use crate::Error;

/// A SHA-256 value, raw.
pub type Raw = [u8; 32];

/// RFC 6962 2.1: SHA-256(0x00 ‖ input).
pub fn leaf(input: &Raw) -> Raw {
    let mut block = [0u8; 33];
    block[1..].copy_from_slice(input);
    Sha256::digest(block).into()
}

/// RFC 6962 2.1: SHA-256(0x01 ‖ left ‖ right).
pub fn node(left: &Raw, right: &Raw) -> Raw {
    let mut block = [1u8; 65];
    block[1..33].copy_from_slice(left);
    block[33..].copy_from_slice(right);
    Sha256::digest(block).into()
}

/// The root of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Raw {
    Sha256::digest([]).into()
}

/// The right edge of a growing tree: one hash per perfect subtree, largest
/// first. It is all that is needed to add leaves and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    edge: Vec<Raw>,
}

impl Frontier {
    /// Rebuilds a frontier that was stored. Refused where the number of hashes
    /// is not the number of one bits of `size`.
    pub fn from_parts(size: u64, edge: Vec<Raw>) -> Result<Frontier, Error> {
        if edge.len() != size.count_ones() as usize {
            return Err(Error::Range);
        }
        Ok(Frontier { size, edge })
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The subtree hashes, largest first: what is stored beside the size.
    pub fn edge(&self) -> &[Raw] {
        &self.edge
    }

    /// Adds the hash of the next event.
    pub fn push(&mut self, input: &Raw) {
        let mut hash = leaf(input);
        let mut size = self.size;
        while size & 1 == 1 {
            // The edge holds one hash per one bit, so there is one to take.
            if let Some(left) = self.edge.pop() {
                hash = node(&left, &hash);
            }
            size >>= 1;
        }
        self.edge.push(hash);
        self.size += 1;
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> Raw {
        let mut smaller = self.edge.iter().rev();
        let Some(last) = smaller.next() else {
            return empty_root();
        };
        smaller.fold(*last, |right, left| node(left, &right))
    }
}

/// The root over `inputs`: RFC 6962's MTH.
pub fn root(inputs: &[Raw]) -> Raw {
    let mut frontier = Frontier::default();
    for input in inputs {
        frontier.push(input);
    }
    frontier.root()
}

/// The largest power of two below `n`, for n > 1.
fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

fn as_index(n: u64) -> Result<usize, Error> {
    usize::try_from(n).map_err(|_| Error::Range)
}

/// A whole tree, level by level: twice as many hashes as leaves, and each proof costs its own length.
#[derive(Clone, Debug, Default)]
pub struct Levels(Vec<Vec<Raw>>);

impl Levels {
    /// The tree over `inputs`. Each level holds the roots of the perfect subtrees of its height, in order.
    pub fn of(inputs: impl IntoIterator<Item = Raw>) -> Levels {
        let mut levels = vec![inputs.into_iter().map(|i| leaf(&i)).collect::<Vec<Raw>>()];
        while let Some(below) = levels.last()
            && below.len() > 1
        {
            let pairs = below.chunks_exact(2).map(|pair| node(&pair[0], &pair[1]));
            levels.push(pairs.collect());
        }
        Levels(levels)
    }

    /// Leaves.
    pub fn size(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }

    /// The root over the leaves `from..to`, where `from` is a multiple of the largest power of two below their
    /// number: what RFC 6962's recursion asks for.
    fn part(&self, from: usize, to: usize) -> Raw {
        let (mut at, mut peaks) = (from, Vec::new());
        while at < to {
            // The largest perfect subtree that starts here and fits.
            let fits = (to - at).ilog2();
            let height = if at == 0 {
                fits
            } else {
                fits.min(at.trailing_zeros())
            };
            peaks.push(self.0[height as usize][at >> height]);
            at += 1 << height;
        }
        let mut smaller = peaks.into_iter().rev();
        let Some(last) = smaller.next() else {
            return empty_root();
        };
        smaller.fold(last, |right, left| node(&left, &right))
    }

    /// The root over all leaves.
    pub fn root(&self) -> Raw {
        self.part(0, self.size())
    }

    /// The audit path of leaf `index` (RFC 6962 2.1.1), nearest sibling first.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Raw>, Error> {
        let index = as_index(index)?;
        let (mut from, mut to) = (0, self.size());
        if index >= to {
            return Err(Error::Range);
        }
        let mut path = Vec::new();
        while to - from > 1 {
            let middle = from + split(to - from);
            if index < middle {
                path.push(self.part(middle, to));
                to = middle;
            } else {
                path.push(self.part(from, middle));
                from = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// The proof that the tree over the first `old` leaves is a prefix of this one (RFC 6962 2.1.2). Empty where
    /// `old` is 0 or all.
    pub fn consistency(&self, old: u64) -> Result<Vec<Raw>, Error> {
        let old = as_index(old)?;
        let (mut from, mut to) = (0, self.size());
        if old > to {
            return Err(Error::Range);
        }
        let mut path = Vec::new();
        if old == 0 || old == to {
            return Ok(path);
        }
        while old != to {
            let middle = from + split(to - from);
            if old <= middle {
                path.push(self.part(middle, to));
                to = middle;
            } else {
                path.push(self.part(from, middle));
                from = middle;
            }
        }
        // From 0 on it is the whole old tree: its root is known to the verifier and left out.
        if from > 0 {
            path.push(self.part(from, to));
        }
        path.reverse();
        Ok(path)
    }
}

/// Checks that `input` is leaf `index` of the tree of `size` leaves with `root`.
/// The walk is RFC 9162 2.1.3.2's.
pub fn verify_inclusion(
    input: &Raw,
    index: u64,
    size: u64,
    path: &[Raw],
    root: &Raw,
) -> Result<(), Error> {
    if index >= size {
        return Err(Error::Range);
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = leaf(input);
    for sibling in path {
        if last == 0 {
            return Err(Error::Proof);
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root {
        Ok(())
    } else {
        Err(Error::Proof)
    }
}

/// Checks that the tree of `old` leaves with `old_root` is a prefix of the tree
/// of `new` leaves with `new_root`. The walk is RFC 9162 2.1.4.2's.
pub fn verify_consistency(
    old: u64,
    old_root: &Raw,
    new: u64,
    new_root: &Raw,
    path: &[Raw],
) -> Result<(), Error> {
    if old > new {
        return Err(Error::Range);
    }
    let proven = |ok: bool| if ok { Ok(()) } else { Err(Error::Proof) };
    if old == new {
        return proven(path.is_empty() && old_root == new_root);
    }
    if old == 0 {
        return proven(path.is_empty() && *old_root == empty_root());
    }
    let mut rest = path.iter();
    let first = if old.is_power_of_two() {
        old_root
    } else {
        rest.next().ok_or(Error::Proof)?
    };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut to_old, mut to_new) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(Error::Proof);
        }
        if at & 1 == 1 || at == last {
            to_old = node(sibling, &to_old);
            to_new = node(sibling, &to_new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            to_new = node(&to_new, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    proven(last == 0 && to_old == *old_root && to_new == *new_root)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962 2.1 word for word, over leaf hashes that are given.
    fn naive(leaves: &[Raw]) -> Raw {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            many => {
                let mut k = 1;
                while k * 2 < many.len() {
                    k *= 2;
                }
                node(&naive(&many[..k]), &naive(&many[k..]))
            }
        }
    }

    fn naive_path(m: usize, leaves: &[Raw]) -> Vec<Raw> {
        if leaves.len() <= 1 {
            return vec![];
        }
        let k = split(leaves.len());
        let (mut path, sibling) = if m < k {
            (naive_path(m, &leaves[..k]), naive(&leaves[k..]))
        } else {
            (naive_path(m - k, &leaves[k..]), naive(&leaves[..k]))
        };
        path.push(sibling);
        path
    }

    fn naive_subproof(m: usize, leaves: &[Raw], whole: bool) -> Vec<Raw> {
        if m == leaves.len() {
            return if whole { vec![] } else { vec![naive(leaves)] };
        }
        let k = split(leaves.len());
        let (mut path, sibling) = if m <= k {
            (naive_subproof(m, &leaves[..k], whole), naive(&leaves[k..]))
        } else {
            (
                naive_subproof(m - k, &leaves[k..], false),
                naive(&leaves[..k]),
            )
        };
        path.push(sibling);
        path
    }

    fn inputs(n: u64) -> Vec<Raw> {
        (0..n)
            .map(|i| Sha256::digest(i.to_be_bytes()).into())
            .collect()
    }

    fn hex32(text: &str) -> Raw {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// The eight leaves and roots that certificate-transparency implementations
    /// test with. Their leaves have other lengths than ours, so the leaf hash is
    /// taken here and only the tree above it is under test.
    #[test]
    fn roots_of_the_certificate_transparency_vectors() {
        let leaves = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let hashes: Vec<Raw> = leaves
            .iter()
            .map(|l| {
                let mut input = vec![0u8];
                input.extend(hex::decode(l).unwrap());
                Sha256::digest(input).into()
            })
            .collect();
        for (n, want) in (1..=8).zip(roots) {
            assert_eq!(naive(&hashes[..n]), hex32(want), "{n} leaves");
        }
        assert_eq!(
            empty_root(),
            hex32("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        );
    }

    #[test]
    fn all_small_trees_agree_with_the_definition() {
        let all = inputs(40);
        let leaves: Vec<Raw> = all.iter().map(leaf).collect();
        let mut frontier = Frontier::default();
        for n in 0..=all.len() {
            assert_eq!(frontier.root(), naive(&leaves[..n]), "{n} leaves");
            let stored = Frontier::from_parts(frontier.size(), frontier.edge().to_vec()).unwrap();
            assert_eq!(stored, frontier);
            let levels = Levels::of(all[..n].iter().copied());
            assert_eq!((levels.size(), levels.root()), (n, frontier.root()));
            assert_eq!(levels.inclusion(n as u64), Err(Error::Range));
            assert_eq!(levels.consistency(n as u64 + 1), Err(Error::Range));
            for (m, input) in all[..n].iter().enumerate() {
                let path = levels.inclusion(m as u64).unwrap();
                assert_eq!(path, naive_path(m, &leaves[..n]));
                verify_inclusion(input, m as u64, n as u64, &path, &frontier.root()).unwrap();
            }
            for m in 1..n {
                let path = levels.consistency(m as u64).unwrap();
                assert_eq!(path, naive_subproof(m, &leaves[..n], true), "{m} of {n}");
                verify_consistency(
                    m as u64,
                    &root(&all[..m]),
                    n as u64,
                    &frontier.root(),
                    &path,
                )
                .unwrap();
            }
            if n < all.len() {
                frontier.push(&all[n]);
            }
        }
    }

    proptest! {
        #[test]
        fn a_proof_fits_one_leaf_and_one_tree(n in 2u64..300, a in any::<u64>(), b in any::<u64>(), flip in any::<usize>()) {
            let all = inputs(n);
            let (index, other) = (a % n, b % n);
            let tree_root = root(&all);
            let path = Levels::of(all.iter().copied()).inclusion(index).unwrap();
            prop_assert!(verify_inclusion(&all[index as usize], index, n, &path, &tree_root).is_ok());
            if other != index {
                prop_assert!(verify_inclusion(&all[other as usize], index, n, &path, &tree_root).is_err());
                prop_assert!(verify_inclusion(&all[index as usize], other, n, &path, &tree_root).is_err());
            }
            let mut bent = path.clone();
            let at = flip % bent.len();
            bent[at][flip % 32] ^= 1;
            prop_assert!(verify_inclusion(&all[index as usize], index, n, &bent, &tree_root).is_err());
            let mut longer = path.clone();
            longer.push(all[0]);
            prop_assert!(verify_inclusion(&all[index as usize], index, n, &longer, &tree_root).is_err());
            prop_assert!(verify_inclusion(&all[index as usize], index, n, &path[1..], &tree_root).is_err());
        }

        #[test]
        fn a_rewritten_prefix_is_inconsistent(n in 3u64..300, a in any::<u64>(), flip in any::<usize>()) {
            let all = inputs(n);
            let old = 1 + a % (n - 1);
            let path = Levels::of(all.iter().copied()).consistency(old).unwrap();
            let (old_root, new_root) = (root(&all[..old as usize]), root(&all));
            prop_assert!(verify_consistency(old, &old_root, n, &new_root, &path).is_ok());
            let mut rewritten = all.clone();
            rewritten[flip % old as usize][0] ^= 1;
            let other_root = root(&rewritten);
            let other_path = Levels::of(rewritten).consistency(old).unwrap();
            prop_assert!(verify_consistency(old, &old_root, n, &other_root, &other_path).is_err());
            prop_assert!(verify_consistency(old, &old_root, n, &other_root, &path).is_err());
            if !path.is_empty() {
                prop_assert!(verify_consistency(old, &old_root, n, &new_root, &path[1..]).is_err());
            }
        }
    }
}
