//! atoll-workspace
