//! atoll-runners
