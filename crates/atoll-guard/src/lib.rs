//! atoll-guard
