//! atoll-policy
