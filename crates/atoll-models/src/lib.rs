//! atoll-models
