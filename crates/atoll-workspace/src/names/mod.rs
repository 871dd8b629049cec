//! Names and paths inside a workspace: which are well formed, which mean
//! `.git` on some file system, and which hold credentials.

mod mask;
mod path;

pub use mask::{Mask, holds_token, mask};
pub(crate) use path::fold;
pub use path::{RelPath, is_git_alias};
